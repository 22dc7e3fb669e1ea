"""fleetctl's parts. Each call is a new process, so nothing is imported that its command does not need."""
