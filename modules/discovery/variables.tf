# No inputs: the tags are the same in every installation.
