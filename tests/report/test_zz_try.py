def test_try(finished, halfway, unconfirmed, just_started, tmp_path):
    from aiida_redoxmlp.report.campaign import write_report
    from pathlib import Path
    import os
    for n in ("finished","halfway","unconfirmed","just_started"):
        print(write_report(locals()[n].node, Path("/tmp/lab/report-synth")/n))
