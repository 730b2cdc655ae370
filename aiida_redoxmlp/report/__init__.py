"""A campaign on one page: summary, HTML report and figures."""
