"""The virtual environment that holds what a bundle's requirements.txt asks for."""
