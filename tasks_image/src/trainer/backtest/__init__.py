"""Looking back: the decisions that each rule would have taken on a pipeline's past, and their cost."""
