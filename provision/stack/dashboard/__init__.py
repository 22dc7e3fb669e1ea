"""A page that draws what InfluxDB has: it stands in for Grafana, which is in no registry of the lab."""
