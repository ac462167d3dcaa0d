// SPDX-License-Identifier: MIT
/* dseek-exec: serves one engine of the module with one backend, as nobody in particular. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <numa.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <dseek.h>
#include <dseek_exec.h>
#include "../cli/log.h"
#include "backend.h"
#include "notify.h"

struct settings {
	const char *device, *name, *backend, *backend_options, *user, *group, *owner;
	unsigned int depth;
	int numa_node;
	int allow_root, standby, own_code;
};

static int stop;

static void on_signal(int signal)
{
	(void)signal;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static void usage(FILE *to)
{
	const struct dseek_backend *backend;
	size_t i;

	fprintf(to,
		"usage: dseek-exec [OPTION]...\n"
		"Serves an engine of the dseek module: runs the jobs of its tenants.\n\n"
		"  --device=PATH            executor device (default /dev/dseek-exec)\n"
		"  --name=NAME              of the engine (default: the backend's name and 0)\n"
		"  --backend=NAME|PATH.so   what runs the jobs (default cpu)\n"
		"  --backend-options=K=V,.. for the backend\n"
		"  --depth=N                jobs held at once, 1 to %d (default 2)\n"
		"  --standby                if the engine has an executor, be ready to take over\n"
		"  --owner=NAME|UID         serve this user alone: nobody else can have queues on the engine\n"
		"  --own-code               its programs may carry code of its own (backend hip; needs --owner)\n"
		"  --numa-node=N            node the engine is on; threads and buffers go there\n"
		"  --user=NAME --group=NAME become these once the device is open (group: default the user's own)\n"
		"  --profile=FILE           append a recording of all ops, for dseek-profiler; opened as the user\n"
		"  --allow-root             run jobs as root: for tests\n"
		"  --help, --version\n\n"
		"Backends:\n", DRM_DSEEK_MAX_DEPTH);
	for (i = 0; (backend = dseek_backend_at(i)); i++)
		fprintf(to, "  %-8s %s\n", backend->name, backend->summary);
	fprintf(to, "\nReady once \"READY=1\" stands on the standard output. DSEEK_LOG_LEVEL=error|warn|info|debug.\n"
		"Exit status: 0 asked to stop or module gone, 1 failure, 2 usage.\n");
}

static int parse_number(const char *option, const char *text, long min, long max, long *ret_number)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max) {
		cli_log(CLI_ERROR, "--%s=%s: not a number from %ld to %ld", option, text, min, max);
		return -EINVAL;
	}
	*ret_number = n;
	return 0;
}

static int parse(int argc, char **argv, struct settings *set)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' }, { "name", required_argument, NULL, 'n' },
		{ "backend", required_argument, NULL, 'b' }, { "backend-options", required_argument, NULL, 'o' },
		{ "depth", required_argument, NULL, 'D' }, { "numa-node", required_argument, NULL, 'N' },
		{ "user", required_argument, NULL, 'u' }, { "group", required_argument, NULL, 'g' },
		{ "profile", required_argument, NULL, 'P' }, { "allow-root", no_argument, NULL, 'R' },
		{ "owner", required_argument, NULL, 'O' }, { "own-code", no_argument, NULL, 'C' }, { "standby", no_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' }, { NULL },
	};
	long number;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'd': set->device = optarg; break;
		case 'n': set->name = optarg; break;
		case 'b': set->backend = optarg; break;
		case 'o': set->backend_options = optarg; break;
		case 'u': set->user = optarg; break;
		case 'g': set->group = optarg; break;
		case 'C': set->own_code = 1; break;
		case 'O': set->owner = optarg; break;
		case 'P': setenv("DSEEK_PROFILE", optarg, 1); break;
		case 'R': set->allow_root = 1; break;
		case 's': set->standby = 1; break;
		case 'D':
			if (parse_number("depth", optarg, 1, DRM_DSEEK_MAX_DEPTH, &number))
				return 2;
			set->depth = number;
			break;
		case 'N':
			if (parse_number("numa-node", optarg, 0, numa_available() < 0 ? 0 : numa_max_node(), &number))
				return 2;
			set->numa_node = number;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 'V':
			printf("dseek-exec %s: ABI %d.%d, backend ABI %d\n", DSEEK_VERSION, DRM_DSEEK_ABI_MAJOR,
			       DRM_DSEEK_ABI_MINOR, DSEEK_BACKEND_ABI);
			exit(0);
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		cli_log(CLI_ERROR, "unexpected argument '%s'", argv[optind]);
		return 2;
	}
	return 0;
}

/* Looked up before the device is opened: a typing error must not leave an engine attached for a moment. */
static int find_ids(const struct settings *set, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *user = set->user ? getpwnam(set->user) : NULL;
	const struct group *group;

	*ret_uid = user ? user->pw_uid : getuid();
	*ret_gid = user ? user->pw_gid : getgid();
	if (set->user && !user) {
		cli_log(CLI_ERROR, "--user=%s: no such user", set->user);
		return -ENOENT;
	}
	if (set->group) {
		group = getgrnam(set->group);
		if (!group) {
			cli_log(CLI_ERROR, "--group=%s: no such group", set->group);
			return -ENOENT;
		}
		*ret_gid = group->gr_gid;
	}
	if (*ret_uid == 0 && !set->allow_root) {
		cli_log(CLI_ERROR, "would run tenants' jobs as root: give --user=NAME (or --allow-root)");
		return -EPERM;
	}
	return 0;
}

/* By name or number; uids that nobody has a name for are users, too. */
static int find_owner(const char *text, uint32_t *ret_uid)
{
	const struct passwd *user = getpwnam(text);
	unsigned long long uid;
	char *end;

	if (user) {
		*ret_uid = user->pw_uid;
		return 0;
	}
	errno = 0;
	uid = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || uid >= UINT32_MAX) {
		cli_log(CLI_ERROR, "--owner=%s: no such user", text);
		return -ENOENT;
	}
	*ret_uid = (uint32_t)uid;
	return 0;
}

static int drop_privileges(uid_t uid, gid_t gid)
{
	if (geteuid() == 0 && uid != 0) {
		if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) {
			cli_log(CLI_ERROR, "can't become uid %u, gid %u: %s", uid, gid, strerror(errno));
			return -errno;
		}
		if (setuid(0) == 0) {
			cli_log(CLI_ERROR, "could become root again");
			return -EPERM;
		}
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return 0;
}

/* Generation 0: it stands by. Whoever started it hears of it on the output, a service manager by its socket. */
static void tell_ready(const struct drm_dseek_attach *attach, uint64_t generation)
{
	const char *name = (const char *)attach->name;
	int r;

	printf("READY=1 engine=%s id=%u generation=%llu\n", name, attach->engine, (unsigned long long)generation);
	fflush(stdout);
	if (generation)
		r = executor_notify("READY=1\nSTATUS=serves %s, generation %llu", name, (unsigned long long)generation);
	else
		r = executor_notify("READY=1\nSTATUS=stands by for %s", name);
	if (r)
		cli_log(CLI_WARN, "NOTIFY_SOCKET=%s: %s", getenv("NOTIFY_SOCKET"), strerror(-r));
}

/* A tenant may make a job fail as often as it likes: the log has what is new, and no more than one line a second. */
static void on_notice(void *arg, const struct drm_dseek_job_desc *job, int error, const char *why)
{
	static char last[256];
	static time_t at;
	time_t now = time(NULL);

	if (now == at || !strcmp(last, why))
		return;
	at = now;
	snprintf(last, sizeof(last), "%s", why);
	cli_log(CLI_WARN, "job %llu of tenant %llu: %s (%s)", (unsigned long long)job->job_id, (unsigned long long)job->tenant_id, why,
		strerror(-error));
}

/* Neither the backend's close() nor what its libraries do at an exit is waited for: either may wait for an engine that never ends. */
static void end_lost(struct dseek_exec *exec) __attribute__((noreturn));
static void end_lost(struct dseek_exec *exec)
{
	cli_log(CLI_ERROR, "%s", dseek_strerror_detail());
	dseek_exec_detach(exec);
	_exit(1);
}

static int serve(struct dseek_exec *exec, const struct dseek_backend *backend, const struct settings *set,
		 const struct drm_dseek_attach *attach)
{
	char why[400] = "";
	uint64_t generation;
	void *state = NULL;
	int r;

	r = backend->open(set->backend_options, &state, why, sizeof(why));
	if (r) {
		cli_log(CLI_ERROR, "backend %s: %s", backend->name, why);
		return 1;
	}
	cli_log(CLI_INFO, "engine %s (id %u, generation %llu, depth %u): backend %s, uid %u%s", (const char *)attach->name,
		attach->engine, (unsigned long long)attach->generation, attach->depth, backend->name, getuid(),
		attach->generation ? "" : ", stands by");
	if (backend->describe) {
		backend->describe(state, why, sizeof(why));
		cli_log(CLI_INFO, "backend %s: %s", backend->name, why);
	}
	tell_ready(attach, attach->generation);
	r = dseek_exec_wait_turn(exec, &stop);
	generation = dseek_exec_control(exec)->generation;
	if (!r && generation && !attach->generation) {
		cli_log(CLI_INFO, "engine %s: took over, generation %llu", (const char *)attach->name,
			(unsigned long long)generation);
		tell_ready(attach, generation);
	}
	dseek_exec_set_notice(exec, on_notice, NULL);
	if (!r && set->own_code)
		r = dseek_exec_allow_code(exec);
	if (!r)
		r = dseek_exec_run(exec, backend, state, &stop);
	executor_notify("STOPPING=1");
	if (backend->status) {
		backend->status(state, why, sizeof(why));
		cli_log(CLI_INFO, "backend %s: %s", backend->name, why);
	}
	if (backend->lost && backend->lost(state))
		end_lost(exec);
	if (backend->close)
		backend->close(state);
	if (r == -ENODEV) {
		cli_log(CLI_INFO, "the module is going away");
		return 0;
	}
	if (r == -ESTALE) {
		cli_log(CLI_ERROR, "declared lost: it did not stop a job that was over its limit, or fetch one, in time");
		return 1;
	}
	if (r) {
		cli_log(CLI_ERROR, "%s", dseek_strerror_detail());
		return 1;
	}
	cli_log(CLI_INFO, "asked to stop");
	return 0;
}

int main(int argc, char **argv)
{
	struct settings set = { .device = "/dev/dseek-exec", .backend = "cpu", .depth = 2, .numa_node = -1 };
	struct sigaction action = { .sa_handler = on_signal };	/* no SA_RESTART: NEXT returns */
	const struct dseek_backend *backend;
	struct drm_dseek_attach attach = { 0 };
	struct dseek_exec *exec;
	char why[200] = "";
	uid_t uid;
	gid_t gid;
	int r;

	cli_log_init("dseek-exec");
	r = parse(argc, argv, &set);
	if (r)
		return r;
	backend = dseek_backend_find(set.backend, why, sizeof(why));
	if (!backend) {
		cli_log(CLI_ERROR, "%s", why);
		return 2;
	}
	if (set.own_code && (!set.owner || !backend->runs_code)) {
		cli_log(CLI_ERROR, !set.owner ? "--own-code: only an engine that serves one user alone may: give --owner=NAME" :
			"--own-code: backend %s runs no code of tenants", backend->name);
		return 2;
	}
	if (find_ids(&set, &uid, &gid))
		return 2;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (set.numa_node >= 0)
		numa_run_on_node(set.numa_node);

	if (set.name)
		r = snprintf((char *)attach.name, sizeof(attach.name), "%s", set.name);
	else
		r = snprintf((char *)attach.name, sizeof(attach.name), "%s0", backend->name);
	if (r >= (int)sizeof(attach.name)) {
		cli_log(CLI_ERROR, "the engine's name is longer than %d characters", DRM_DSEEK_NAME_LEN - 1);
		return 2;
	}
	attach.type = backend->type;
	attach.depth = set.depth;
	attach.flags = (set.standby ? DRM_DSEEK_ATTACH_STANDBY : 0) | (backend->memory_alloc ? DRM_DSEEK_ATTACH_MEMORY : 0);
	attach.numa_node = set.numa_node;
	if (set.owner) {
		attach.flags |= DRM_DSEEK_ATTACH_OWNER;
		if (find_owner(set.owner, &attach.owner))
			return 2;
	}
	r = dseek_exec_attach(set.device, &attach, &exec);
	if (r) {
		cli_log(CLI_ERROR, "%s", dseek_strerror_detail());
		return 1;
	}
	r = drop_privileges(uid, gid) ? 1 : serve(exec, backend, &set, &attach);
	dseek_exec_detach(exec);
	return r;
}
