"""Programs of containers between a consumer and a provider of a service, and of one that announces it."""
