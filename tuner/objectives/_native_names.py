"""Parameter names that XGBoost's and LightGBM's scikit-learn classes pass on to their libraries without naming them.

Both take any keyword and at most warn of one that their library does not know, so a misspelt parameter would be tuned without
effect. The names are those of their documented parameter lists (XGBoost 3.2, LightGBM 4.7), aliases included.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NATIVE_NAMES", "NEEDS_VALIDATION_ROWS"]

NEEDS_VALIDATION_ROWS = frozenset(
    {"early_stopping_rounds", "early_stopping_round", "early_stopping", "n_iter_no_change"}
)

_XGBOOST = """
aft_loss_distribution aft_loss_distribution_scale alpha base_score colsample_bylevel colsample_bynode colsample_bytree device
eta feature_selector gamma grow_policy huber_slope interaction_constraints lambda learning_rate max_bin max_cat_threshold
max_cat_to_onehot max_cached_hist_node max_delta_step max_depth max_leaves min_child_weight min_split_loss
monotone_constraints multi_strategy normalize_type nthread num_parallel_tree one_drop process_type quantile_alpha rate_drop
refresh_leaf reg_alpha reg_lambda sample_type sampling_method scale_pos_weight seed seed_per_iteration sketch_ratio skip_drop
subsample top_k tree_method tweedie_variance_power updater
"""
_LIGHTGBM = """
alpha bagging bagging_fraction bagging_freq bagging_seed bin_construct_sample_cnt boost boost_from_average boosting cat_l2
cat_smooth colsample_bynode colsample_bytree deterministic drop_rate drop_seed enable_bundle eta extra_seed extra_tree
extra_trees fair_c feature_fraction feature_fraction_bynode feature_fraction_seed force_col_wise force_row_wise
histogram_pool_size is_unbalance lambda lambda_l1 lambda_l2 linear_lambda linear_tree max_bin max_cat_threshold
max_cat_to_onehot max_delta_step max_depth max_drop max_leaf max_leaf_nodes max_leaves max_tree_output min_child_samples
min_child_weight min_data min_data_in_bin min_data_in_leaf min_data_per_group min_gain_to_split min_split_gain
min_sum_hessian min_sum_hessian_in_leaf min_samples_leaf monotone_constraints monotone_constraints_method monotone_penalty
neg_bagging_fraction neg_sub_row num_leaf num_leaves other_rate path_smooth pos_bagging_fraction pos_sub_row
poisson_max_delta_step rate_drop reg_alpha reg_lambda reg_sqrt scale_pos_weight shrinkage_rate sigmoid skip_drop sub_feature
sub_row subsample subsample_freq top_k top_rate topk tweedie_variance_power uniform_drop use_missing xgboost_dart_mode
zero_as_missing data_sample_strategy bagging_by_query max_bin_by_feature verbose verbosity seed objective_seed
"""

NATIVE_NAMES: Mapping[str, frozenset[str]] = {
    "xgboost": frozenset(_XGBOOST.split()),
    "lightgbm": frozenset(_LIGHTGBM.split()),
}
"""Library -> names."""
