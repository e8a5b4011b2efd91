"""What reads the sessions of other packages, so that a move to this one logs no user out."""
