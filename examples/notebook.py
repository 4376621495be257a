"""As in a notebook: a closure over data in memory, cells from top to bottom.

Run it with:  python examples/notebook.py
"""

# %% data that the function closes over; workers get them once, not once per trial
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tuner

X, y = load_wine(return_X_y=True)


# %% what to tune
def train(params):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=params["C"], max_iter=2000))
    return cross_val_score(model, X, y, cv=5).mean()


if __name__ == "__main__":
    # %% search
    study = tuner.run(
        train,
        space={"C": tuner.Float(1e-4, 1e2, log=True)},
        metric="accuracy",
        goal="maximize",
        trials=20,
        seed=17,
        name="notebook",
        if_exists="new",
    )

    # %% what came of it
    print(study)
    print("best:", study.best_params, study.best_value)
    print(study.to_dataframe().sort_values("values_accuracy", ascending=False).head())
