"""Tests of the Python clients. Run: PYTHONPATH=src python3 -m unittest discover -t . tests"""
