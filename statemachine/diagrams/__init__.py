"""Diagrams of workflows as text: Mermaid, Graphviz and JSON. Rendering is the reader's."""
