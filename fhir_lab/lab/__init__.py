"""What a laboratory does with its resources, beyond storing them: finding a patient again, merging two into one."""
