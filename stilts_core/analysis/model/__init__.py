"""The model of an arm, to take away: which stages made it, its files, its card."""
