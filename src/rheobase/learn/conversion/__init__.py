"""From a trained ReLU network to spikes: trace, fold, choose thresholds, bill."""
