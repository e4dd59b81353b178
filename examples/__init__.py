"""Pipelines to try X-Ray on: product matching over a made-up catalogue, place names over real data.

Each scenario runs as a plain script: `python examples/scenario_bad_match_demo.py`.
"""
