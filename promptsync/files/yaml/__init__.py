"""YAML read strictly, written in the house style, and edited in place so that the rest keeps every byte."""
