"""Questions asked of models and of their spikes."""
