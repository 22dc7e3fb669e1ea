"""Gives every test of the checkout the lab's fixtures, installed or not, and pytest's own tester."""

pytest_plugins = ["lab.plugin", "lab.plugin_failover", "lab.plugin_shell", "lab.plugin_workers", "pytester"]
