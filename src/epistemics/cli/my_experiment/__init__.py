"""What ``epistemics new`` writes, under the name of an experiment that there is not: my-experiment."""
