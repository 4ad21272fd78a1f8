"""A deterministic simulation of Sauron: the real store and duties, a virtual clock, a fake launcher."""
