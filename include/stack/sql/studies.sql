-- A view of the studies' database: how far tuning has come.
GRANT SELECT ON studies, study_directions, trials, trial_values TO reporting;
SET ROLE reporting;

-- One row per trial. A study is called by the key of its run and its algorithm.
CREATE VIEW reporting.trials AS
SELECT
  studies.study_name AS study,
  trials.number,
  lower(trials.state::text) AS state,
  trial_values.value,
  lower(study_directions.direction::text) AS direction,
  trials.datetime_start AS started,
  trials.datetime_complete AS ended
FROM public.trials
JOIN public.studies ON studies.study_id = trials.study_id
JOIN public.study_directions ON study_directions.study_id = studies.study_id AND study_directions.objective = 0
LEFT JOIN public.trial_values ON trial_values.trial_id = trials.trial_id AND trial_values.objective = 0;

RESET ROLE;
