"""Recordings as other programs want them: arrays in, their objects and files out; nothing here knows a neuron."""
