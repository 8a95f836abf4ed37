"""Deployment formats: a program exported where the model is, and served where its code is not."""
