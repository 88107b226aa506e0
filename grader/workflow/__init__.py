"""The order of effects, through ports only."""
