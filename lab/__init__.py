"""discovery-lab, host side: machines, waiting, faults, evidence, the pytest plugin and the command line."""
