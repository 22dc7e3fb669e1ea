"""dockreg, the sidekick that registers the application of its own container as long as that answers."""
