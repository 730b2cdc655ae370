#!/bin/bash
# Holds nodes for the jobs of the computer beside this file; submit it as often as you like to have more of them.
#SBATCH --job-name={{ allocation }}
#SBATCH --nodes=2
#SBATCH --ntasks-per-node={{ cores_per_node }}
#SBATCH --mem-per-cpu=2G
#SBATCH --time=24:00:00
sleep infinity
