"""Building, naming and listing the container images.

What was built is written to a file (components/image.py) that compilation and the Docker runner
read.
"""
