"""What does Bakeoff itself cost, and how often is a verdict wrong?"""
