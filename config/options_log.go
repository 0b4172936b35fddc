package config

func logOptions() []Option {
	return []Option{
		{Key: "log_level", Flag: "log-level", Type: String, Default: "INFO", Dev: "DEBUG", Reload: true, Name: "Logging.LogLevel", Doc: "Least important messages to log: TRACE, DEBUG, INFO, WARN or ERR."},
		{Key: "log_json", Flag: "log-json", Type: Bool, Name: "Logging.LogJSON", Doc: "Log in JSON."},
		{Key: "log_file", Flag: "log-file", Type: String, Name: "Logging.LogFilePath", Doc: "File to log to as well; in a folder (ends in a slash) the names carry the time."},
		{Key: "log_rotate_duration", Flag: "log-rotate-duration", Type: Duration, Default: "24h", Name: "Logging.LogRotateDuration", Doc: "A new log file is begun after this."},
		{Key: "log_rotate_bytes", Flag: "log-rotate-bytes", Type: Int, Name: "Logging.LogRotateBytes", Doc: "A new log file is begun after this many bytes; 0 for no limit."},
		{Key: "log_rotate_max_files", Flag: "log-rotate-max-files", Type: Int, Name: "Logging.LogRotateMaxFiles", Doc: "Old log files kept; 0 keeps all, -1 none."},
		{Key: "enable_syslog", Flag: "syslog", Type: Bool, Name: "Logging.EnableSyslog", Doc: "Log to syslog as well."},
		{Key: "syslog_facility", Type: String, Default: "LOCAL0", Name: "Logging.SyslogFacility", Doc: "Facility of syslog messages."},
	}
}

func telemetryOptions() []Option {
	all := []Option{
		{Key: "telemetry.metrics_prefix", Type: String, Default: "consul", Name: "Telemetry.MetricsPrefix", Doc: "Beginning of the metrics' names."},
		{Key: "telemetry.statsd_address", Type: String, Name: "Telemetry.StatsdAddr", Doc: "Where to send metrics, for statsd."},
		{Key: "telemetry.statsite_address", Type: String, Name: "Telemetry.StatsiteAddr", Doc: "Where to send metrics, for statsite."},
		{Key: "telemetry.dogstatsd_addr", Type: String, Name: "Telemetry.DogstatsdAddr", Doc: "Where to send metrics, for DogStatsD."},
		{Key: "telemetry.dogstatsd_tags", Type: Strings, Name: "Telemetry.DogstatsdTags", Doc: "Tags of metrics for DogStatsD."},
		{Key: "telemetry.disable_hostname", Type: Bool, Name: "Telemetry.DisableHostname", Doc: "Metrics' names do not carry the host's name."},
		{Key: "telemetry.prometheus_retention_time", Type: Duration, Mark: Modern, Name: "Telemetry.PrometheusOpts.Expiration", Doc: "How long a metric is shown in the form of Prometheus after its last change; 0 switches the form off."},
		{Key: "telemetry.prefix_filter", Type: Strings, Reload: true, Name: "Telemetry.PrefixFilter", Doc: "Prefixes of metrics to keep (+) and to leave out (-)."},
		{Key: "telemetry.filter_default", Type: Bool, Default: "true", Name: "Telemetry.FilterDefault", Doc: "Keep metrics that no prefix names."},
		{Key: "telemetry.disable_compat_1.9", Type: Bool, Mark: Modern, Moot: "metrics of old names are never given", Name: "Telemetry.DisableCompatOneNine", Doc: "Do not give metrics their old names as well."},
		{Key: "telemetry.enable_host_metrics", Type: Bool, Mark: Newer, Name: "Telemetry.EnableHostMetrics", Doc: "Measure the machine too."},
		{Key: "telemetry.retry_failed_connection", Type: Bool, Default: "true", Mark: Newer, Name: "Telemetry.RetryFailedConfiguration", Doc: "Try again to reach where metrics are sent."},
		{Key: "telemetry.disable_per_tenancy_usage_metrics", Type: Bool, Mark: Newer, Moot: "there is only one tenancy", Name: "Telemetry.DisablePerTenancyUsageMetrics", Doc: "Do not count usage per tenancy."},
	}
	for _, k := range []struct{ key, preset string }{
		{"api_token", ""}, {"api_app", "consul"}, {"api_url", ""}, {"submission_interval", "10s"}, {"submission_url", ""},
		{"check_id", ""}, {"check_force_metric_activation", ""}, {"check_instance_id", ""}, {"check_search_tag", ""},
		{"check_display_name", ""}, {"check_tags", ""}, {"broker_id", ""}, {"broker_select_tag", ""},
	} {
		all = append(all, Option{Key: "telemetry.circonus_" + k.key, Type: String, Default: k.preset, Mark: Modern,
			Secret: k.key == "api_token", Idle: noCirconus, Name: "Telemetry.Circonus" + camel(k.key), Doc: "For sending metrics to Circonus."})
	}
	return all
}
