"""The commands of chatctl, a file for each subject."""
