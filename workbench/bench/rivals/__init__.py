"""What is compared: the workbench's own ways to train, and what a user would write by hand instead.

``plain`` (a model and its loop) and ``user_sweep`` (Lightning and Optuna) are written by hand; with the sizes
and weights of ``counterpart`` they train the workbench's model. ``contenders`` and ``bare_population`` step
the workbench's own modules. ``training_case`` lets them take turns at one model, ``contest`` at a sweep.
"""
