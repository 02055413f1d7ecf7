"""Figures that the built-in sample is drawn from: shares, prices and effects."""

from __future__ import annotations

CHURN_RATE = 0.265
"""The mean risk; the published file has 1,869 leavers among 7,043."""
PRICE_STEP = 0.05
"""Dollars; every published monthly charge is a multiple of it."""
LONGEST_TENURE = 120
"""Months; only a drift comes that far."""
NEW_CUSTOMERS = 0.0015
"""Share of rows with tenure 0, who have not been billed yet."""

YES_NO = ("No", "Yes")
_ADD_ON = ("No", "Yes", "No internet service")
VALUES: dict[str, tuple[str, ...]] = {
    "gender": ("Female", "Male"),
    "Partner": YES_NO,
    "Dependents": YES_NO,
    "PhoneService": YES_NO,
    "MultipleLines": ("No", "Yes", "No phone service"),
    "InternetService": ("DSL", "Fiber optic", "No"),
    "OnlineSecurity": _ADD_ON,
    "OnlineBackup": _ADD_ON,
    "DeviceProtection": _ADD_ON,
    "TechSupport": _ADD_ON,
    "StreamingTV": _ADD_ON,
    "StreamingMovies": _ADD_ON,
    "Contract": ("Month-to-month", "One year", "Two year"),
    "PaperlessBilling": YES_NO,
    "PaymentMethod": (
        "Electronic check",
        "Mailed check",
        "Bank transfer (automatic)",
        "Credit card (automatic)",
    ),
}
"""The texts of each categorical column, by code; SeniorCitizen is published as the code itself."""
COLUMNS = (
    "customerID",
    *("gender", "SeniorCitizen", "Partner", "Dependents", "tenure", "PhoneService", "MultipleLines"),
    *("InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport"),
    *("StreamingTV", "StreamingMovies", "Contract", "PaperlessBilling", "PaymentMethod"),
    *("MonthlyCharges", "TotalCharges", "Churn"),
)

# Fitted to the published file: shares by counting, propensities and effects by logistic regression.
MALE_SHARE = 0.505
SENIOR_SHARE, PARTNER_SHARE, NO_PHONE_ON_DSL = 0.162, 0.483, 0.282
DEPENDENTS_SHARES = ((0.115, 0.589), (0.014, 0.145))
"""By SeniorCitizen and Partner."""
CONTRACT_SHARES = (
    ((0.698, 0.170, 0.132), (0.573, 0.235, 0.192)),
    ((0.483, 0.232, 0.285), (0.333, 0.255, 0.412)),
)
"""By Partner and Dependents."""
TENURE_DECILES = (
    ((1, 1, 1, 3, 5, 8, 12, 18, 25, 38, 71), (1, 3, 6, 10, 16, 22, 28, 35, 44, 55, 72)),
    ((1, 12, 18, 26, 32, 38, 44, 50, 55, 63, 72), (1, 18, 26, 35, 43, 50, 54, 59, 64, 68, 72)),
    ((1, 21, 35, 45, 52, 57, 62, 66, 69, 71, 72), (1, 33, 48, 58, 63, 67, 70, 71, 72, 72, 72)),
)
"""Deciles in months, by Contract and Partner."""
INTERNET_SHARES = (
    (
        ((0.365, 0.409, 0.226), (0.340, 0.547, 0.113), (0.247, 0.744, 0.009)),
        ((0.245, 0.723, 0.032), (0.168, 0.826, 0.006), (0.157, 0.840, 0.003)),
    ),
    (
        ((0.336, 0.057, 0.607), (0.466, 0.216, 0.318), (0.345, 0.522, 0.133)),
        ((0.400, 0.200, 0.400), (0.269, 0.552, 0.179), (0.256, 0.719, 0.025)),
    ),
    (
        ((0.265, 0.010, 0.725), (0.278, 0.098, 0.624), (0.409, 0.287, 0.304)),
        ((0.250, 0.150, 0.600), (0.300, 0.350, 0.350), (0.350, 0.520, 0.130)),
    ),
)
"""By Contract, SeniorCitizen and tenure: at most INTERNET_TENURES[0] months, at most INTERNET_TENURES[1], longer."""
INTERNET_TENURES = (12, 48)
PROPENSITIES = {
    "MultipleLines": (-1.60, 0.47, -0.48, -0.24, 1.04, -0.83),
    "OnlineSecurity": (-1.24, 0.28, 0.62, 1.13, -0.94, 0.0),
    "OnlineBackup": (-1.49, 0.43, 0.14, 0.22, -0.04, 0.0),
    "DeviceProtection": (-1.57, 0.29, 0.69, 1.25, 0.21, 0.0),
    "TechSupport": (-1.20, 0.16, 0.96, 1.99, -0.78, 0.0),
    "StreamingTV": (-1.47, 0.23, 0.51, 0.89, 0.94, 0.0),
    "StreamingMovies": (-1.45, 0.24, 0.51, 0.88, 0.89, 0.0),
    "PaperlessBilling": (0.23, 0.11, -0.52, -0.79, 0.91, -0.95),
    "pays automatically": (-1.27, 0.35, 0.36, 0.56, -0.28, -0.24),
    "mails a check": (0.11, -0.32, 0.93, 1.91, -1.57, 1.60),
}
"""Log odds of a yes: constant, per year of tenure, one year, two years, fiber, no internet."""
PRICES = {
    "PhoneService": 20,
    "MultipleLines": 5,
    "OnlineSecurity": 5,
    "OnlineBackup": 5,
    "DeviceProtection": 5,
    "TechSupport": 5,
    "StreamingTV": 10,
    "StreamingMovies": 10,
}
"""Dollars a month for a yes."""
INTERNET_PRICES = (25, 50, 0)
PRICE_SPREAD, BILLING_SPREAD = 1.75, 0.49
"""Greatest deviation of a price (dollars), and of a total from tenure * price (share, over the root of the months)."""
EFFECTS = {
    "Contract": (0.0, -0.75, -1.56),
    "InternetService": (0.0, 0.90, -0.78),
    "PaymentMethod": (0.33, 0.0, 0.0, 0.0),
    "PaperlessBilling": (0.0, 0.35),
    "SeniorCitizen": (0.0, 0.15),
    "Dependents": (0.0, -0.15),
    "PhoneService": (0.0, -0.55),
    "MultipleLines": (0.0, 0.37, 0.0),
    "OnlineSecurity": (0.0, -0.32, 0.0),
    "OnlineBackup": (0.0, -0.10, 0.0),
    "TechSupport": (0.0, -0.30, 0.0),
    "StreamingTV": (0.0, 0.30, 0.0),
    "StreamingMovies": (0.0, 0.30, 0.0),
}
"""Log odds of leaving, by code."""
TENURE_EFFECT, FIBER_BY_MONTH_EFFECT, SENIOR_BY_MONTH_EFFECT = -1.25, 0.24, 0.15
"""Per root of a year of tenure; and on top where both hold: fiber or senior, and a monthly contract."""
STEEPNESS = 0.95
"""Stretches the log odds so that the true risk has a ROC-AUC of about .855 against the drawn churn."""
RISK_GROUPS = 20
"""Equal widths of risk in which the number of leavers is what the risks add up to."""
DRIFTS_TO = {"SeniorCitizen": 1, "Partner": 1, "PaperlessBilling": 1, "PaymentMethod": 0}
"""The codes that become more frequent; none of them enters a price."""
