def test_try(finished, tmp_path):
    import cProfile, pstats
    from aiida_redoxmlp.report.campaign import write_report
    p=cProfile.Profile(); p.enable(); write_report(finished.node, tmp_path); p.disable()
    pstats.Stats(p).sort_stats("cumulative").print_stats(45)
