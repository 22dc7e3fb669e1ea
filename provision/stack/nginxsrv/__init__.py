"""Gives Nginx the addresses and ports of SRV records, which it cannot ask for itself before 1.27.3."""
