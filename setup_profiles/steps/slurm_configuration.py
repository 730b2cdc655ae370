"""Configuration of a private SLURM: two CPU nodes and one GPU node on one machine."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

__all__ = ("NODES", "SlurmLayout", "free_ports", "gres_conf", "slurm_conf")

NODES = ("cpu1", "cpu2", "gpu1")

_FIRST_PORT = 27_000
_LAST_PORT = 32_000
_LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class SlurmLayout:
    """Files of the private SLURM.

    Attributes:
        folder: holds all of them.
    """

    folder: Path

    @property
    def conf(self) -> Path:
        """slurm.conf; there only while the cluster is up."""
        return self.folder / "slurm.conf"

    @property
    def munge_key(self) -> Path:
        """The key of the private munged."""
        return self.folder / "munge" / "munge.key"

    @property
    def munge_socket(self) -> Path:
        """The private munged's socket; in the temporary folder where its path would be too long."""
        socket_file = self.folder / "munge" / "socket"
        if len(os.fsencode(socket_file)) <= _LONGEST_SOCKET_PATH:
            return socket_file
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"redoxmlp-munge-{os.getuid()}-{name}" / "socket"

    def pid_file(self, daemon: str) -> Path:
        """Where ``munged``, ``slurmctld`` or the slurmd of a node writes its process number."""
        return self.folder / "run" / f"{daemon}.pid"

    def log(self, daemon: str) -> Path:
        """Log file of a daemon."""
        return self.folder / "log" / f"{daemon}.log"

    def make_folders(self) -> None:
        """Make every folder, closed to other users: munged refuses anything else."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in ("run", "log", "state", "spool", "munge"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        for node in NODES:
            (self.folder / "spool" / node).mkdir(mode=0o755, exist_ok=True)
        self.munge_socket.parent.mkdir(mode=0o700, exist_ok=True)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the range the kernel gives to outgoing connections.

    Raises:
        OSError: when there are fewer than ``count``.
    """
    ports: list[int] = []
    with ExitStack() as held:
        for port in range(_FIRST_PORT, _LAST_PORT):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    message = f"fewer than {count} ports are free between {_FIRST_PORT} and {_LAST_PORT}"
    raise OSError(message)


def slurm_conf(layout: SlurmLayout, ports: list[int], *, host: str, cpus: int, memory_mb: int) -> str:
    """Text of slurm.conf.

    Args:
        layout: the files.
        ports: of slurmctld, cpu1, cpu2 and gpu1.
        host: this machine's short name.
        cpus: processors of the machine; each node declares half of them, and at least two.
        memory_mb: memory of the machine in MB, declared by each node and not counted as consumed.
    """
    controller, *nodes = ports
    node_cpus = max(2, (cpus + 1) // 2)
    user = getpass.getuser()
    size = f"CPUs={node_cpus} RealMemory={memory_mb} State=UNKNOWN"
    where = f"NodeHostname={host} NodeAddr=127.0.0.1"
    return f"""\
# Written by setup_profiles/slurm.py; made anew by every `slurm.py up`.
ClusterName=redoxmlp
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
CredType=cred/munge
StateSaveLocation={layout.folder / "state"}
SlurmdSpoolDir={layout.folder / "spool"}/%n
SlurmctldPidFile={layout.pid_file("slurmctld")}
SlurmdPidFile={layout.pid_file("%n")}
SlurmctldLogFile={layout.log("slurmctld")}
SlurmdLogFile={layout.log("%n")}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=5
InactiveLimit=0
KillWait=5
MinJobAge=300
GresTypes=gpu
NodeName=cpu1 {where} Port={nodes[0]} {size}
NodeName=cpu2 {where} Port={nodes[1]} {size}
NodeName=gpu1 {where} Port={nodes[2]} {size} Gres=gpu:h100:2
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=gpu1 Default=NO MaxTime=INFINITE State=UP
"""


def gres_conf() -> str:
    """Text of gres.conf: two devices that exist on every machine stand for the GPUs of gpu1."""
    return "NodeName=gpu1 Name=gpu Type=h100 File=/dev/null,/dev/zero\n"
