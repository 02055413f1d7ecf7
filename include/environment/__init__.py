"""What the environment says: settings, the cluster's, and connections."""
