"""The metadata service of a machine: what a cloud tells its machines about themselves, on 169.254.169.254."""
