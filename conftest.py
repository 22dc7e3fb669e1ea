"""Gives every test of the checkout the lab's fixtures, installed or not."""

pytest_plugins = ["lab.plugin"]
