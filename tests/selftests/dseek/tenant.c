// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Who is the tenant of a file, and the administrator's policies: when they begin, change and end. */
#include "kselftest_harness.h"
#include "dseek_admin.h"
#include <dirent.h>
#include <sys/wait.h>

#define PAGE	4096ULL
#define OUTER	"/dseek-tenant"
#define INNER	OUTER "/inner"
#define OUTER_DIR ALL "/cgroup" OUTER
#define INNER_DIR ALL "/cgroup" INNER
#define PARAMETERS "/sys/module/dseek/parameters"

/* ---- uids and cgroups */

FIXTURE(tenant) {
	int a, b;
};

FIXTURE_SETUP(tenant)
{
	ASSERT_EQ(0, cgroup_make(OUTER));
	ASSERT_EQ(0, cgroup_make(INNER));
	self->a = self->b = -1;
}

FIXTURE_TEARDOWN(tenant)
{
	close(self->a);
	close(self->b);
	cgroup_join("");
	policy_remove("cgroup:" INNER);
	policy_remove("cgroup:" OUTER);
	policy_remove("uid:4001");
	cgroup_unmake(INNER);
	cgroup_unmake(OUTER);
	EXPECT_EQ(false, exists(OUTER_DIR));
}

static struct drm_dseek_tenant_info info_in(const char *cgroup, uid_t uid, int *ret_fd)
{
	struct drm_dseek_tenant_info t = { 0 };

	if (!cgroup_join(cgroup)) {
		*ret_fd = open_as(uid);
		cgroup_join("");
		if (*ret_fd >= 0)
			t = tenant_info(*ret_fd);
	}
	return t;
}

TEST_F(tenant, without_policies_a_uid_wherever_it_is)
{
	struct drm_dseek_tenant_info a = info_in(INNER, 4001, &self->a), b = info_in(OUTER, 4001, &self->b);

	EXPECT_STREQ("uid:4001", (char *)a.name);
	EXPECT_EQ(a.id, b.id);
	EXPECT_EQ(a.id, get_number(ALL "/uid/4001", "tenant_id"));
	EXPECT_EQ(0, get_number(ALL "/uid/4001", "has_policy"));
}

TEST_F(tenant, two_uids_in_one_cgroup_are_one)
{
	struct drm_dseek_tenant_info a, b;
	uint32_t h;

	ASSERT_EQ(0, policy_add("cgroup:" OUTER));
	a = info_in(OUTER, 4001, &self->a);
	b = info_in(OUTER, 4002, &self->b);
	EXPECT_STREQ("cgroup:" OUTER, (char *)a.name);
	EXPECT_EQ(a.id, b.id);
	ASSERT_EQ(0, set_number(OUTER_DIR, "pinned_limit", 3 * PAGE));
	ASSERT_EQ(0, bo_create(self->a, 2 * PAGE, &h));
	EXPECT_EQ(-EDQUOT, bo_create(self->b, 2 * PAGE, &h));
	EXPECT_EQ(0, bo_create(self->b, PAGE, &h));
}

TEST_F(tenant, one_uid_in_two_cgroups_is_two)
{
	struct drm_dseek_tenant_info a, b;
	uint32_t h;

	ASSERT_EQ(0, policy_add("cgroup:" OUTER));
	ASSERT_EQ(0, policy_add("cgroup:" INNER));
	a = info_in(OUTER, 4001, &self->a);
	b = info_in(INNER, 4001, &self->b);
	EXPECT_NE(a.id, b.id);
	ASSERT_EQ(0, set_number(INNER_DIR, "pinned_limit", PAGE));
	EXPECT_EQ(-EDQUOT, bo_create(self->b, 2 * PAGE, &h));
	EXPECT_EQ(0, bo_create(self->a, 2 * PAGE, &h));
	EXPECT_EQ(0, get_number(INNER_DIR, "pinned_bytes"));
	EXPECT_EQ(2 * PAGE, get_number(OUTER_DIR, "pinned_bytes"));
}

TEST_F(tenant, the_nearest_policy_counts)
{
	struct drm_dseek_tenant_info t;

	ASSERT_EQ(0, policy_add("cgroup:" OUTER));
	t = info_in(INNER, 4001, &self->a);
	EXPECT_STREQ("cgroup:" OUTER, (char *)t.name);
	/* one that comes later is for files that are opened later */
	ASSERT_EQ(0, policy_add("cgroup:" INNER));
	EXPECT_EQ(t.id, tenant_info(self->a).id);
	EXPECT_STREQ("cgroup:" INNER, (char *)info_in(INNER, 4001, &self->b).name);
	/* and so is one that goes: what is open stays where it is */
	ASSERT_EQ(0, policy_remove("cgroup:" INNER));
	EXPECT_STREQ("cgroup:" INNER, (char *)tenant_info(self->b).name);
	close(self->a);
	EXPECT_EQ(t.id, info_in(INNER, 4001, &self->a).id);
	/* what nobody holds goes with the next change */
	close(self->b);
	self->b = -1;
	ASSERT_EQ(0, policy_add("uid:4001"));
	EXPECT_EQ(false, exists(INNER_DIR));
}

TEST_F(tenant, a_policy_below_one_that_has_none)
{
	ASSERT_EQ(0, policy_add("cgroup:" INNER));
	EXPECT_EQ(0, get_number(OUTER_DIR, "has_policy"));
	EXPECT_EQ(1, get_number(INNER_DIR, "has_policy"));
	EXPECT_STREQ("uid:4001", (char *)info_in(OUTER, 4001, &self->a).name);
	EXPECT_STREQ("cgroup:" INNER, (char *)info_in(INNER, 4001, &self->b).name);
	/* a limit is a policy */
	ASSERT_EQ(0, set_number(OUTER_DIR, "queue_limit", 3));
	EXPECT_EQ(1, get_number(OUTER_DIR, "has_policy"));
	EXPECT_EQ(3, tenant_info(self->b).queue_limit);
	close(self->a);
	EXPECT_STREQ("cgroup:" OUTER, (char *)info_in(OUTER, 4001, &self->a).name);
}

TEST_F(tenant, long_paths_keep_their_end)
{
	const char *path = OUTER "/a-name-that-is-not-short/and-one-that-is-its-own-service";
	char label[128];

	snprintf(label, sizeof(label), "cgroup:%s", path);
	ASSERT_EQ(0, cgroup_make(OUTER "/a-name-that-is-not-short"));
	ASSERT_EQ(0, cgroup_make(path));
	ASSERT_EQ(0, policy_add(label));
	EXPECT_STREQ("..d-one-that-is-its-own-service", strrchr((char *)info_in(path, 4001, &self->a).name, '.') - 1);
	EXPECT_STREQ(label, get(OUTER_DIR "/a-name-that-is-not-short/and-one-that-is-its-own-service", "tenant_name"));
	close(self->a);
	self->a = -1;
	EXPECT_EQ(0, policy_remove(label));
	EXPECT_EQ(0, cgroup_unmake(path));
	EXPECT_EQ(0, cgroup_unmake(OUTER "/a-name-that-is-not-short"));
}

/* ---- policies */

TEST_F(tenant, there_before_who_it_is_for)
{
	uint32_t h;

	ASSERT_EQ(0, policy_add("uid:4001"));
	ASSERT_EQ(0, set_number(ALL "/uid/4001", "pinned_limit", 2 * PAGE));
	EXPECT_EQ(2 * PAGE, info_in("", 4001, &self->a).pinned_limit);
	EXPECT_EQ(-EDQUOT, bo_create(self->a, 3 * PAGE, &h));
	EXPECT_EQ(0, bo_create(self->a, 2 * PAGE, &h));
	/* and after it: still so when all its files are closed */
	close(self->a);
	EXPECT_EQ(2 * PAGE, info_in("", 4001, &self->a).pinned_limit);
	/* a cgroup that isn't there yet */
	ASSERT_EQ(0, cgroup_unmake(INNER));
	ASSERT_EQ(0, policy_add("cgroup:" INNER));
	ASSERT_EQ(0, set_number(INNER_DIR, "queue_limit", 7));
	ASSERT_EQ(0, cgroup_make(INNER));
	EXPECT_EQ(7, info_in(INNER, 4001, &self->b).queue_limit);
}

TEST_F(tenant, what_is_not_set_follows_the_parameters)
{
	char old[32];

	ASSERT_EQ(0, policy_add("cgroup:" OUTER));
	text_read(PARAMETERS "/queue_limit", old, sizeof(old));
	EXPECT_EQ((uint32_t)atoi(old), info_in(OUTER, 4001, &self->a).queue_limit);
	EXPECT_STREQ("default", get(OUTER_DIR, "queue_limit"));
	EXPECT_STREQ("max", get(ALL, "queue_limit"));
	ASSERT_EQ(0, set_number(PARAMETERS, "queue_limit", 5));
	EXPECT_EQ(5, tenant_info(self->a).queue_limit);
	ASSERT_EQ(0, set_number(OUTER_DIR, "queue_limit", 9));
	EXPECT_EQ(9, tenant_info(self->a).queue_limit);
	EXPECT_STREQ("9", get(OUTER_DIR, "queue_limit"));
	ASSERT_EQ(0, set(OUTER_DIR, "queue_limit", "default"));
	EXPECT_EQ(5, tenant_info(self->a).queue_limit);
	ASSERT_EQ(0, set(OUTER_DIR, "queue_limit", "max"));
	EXPECT_EQ(UINT32_MAX, tenant_info(self->a).queue_limit);
	ASSERT_EQ(0, policy_remove("cgroup:" OUTER));
	EXPECT_EQ(5, tenant_info(self->a).queue_limit);
	ASSERT_EQ(0, set(PARAMETERS, "queue_limit", old));
	/* of a parent, what is not set is no limit */
	ASSERT_EQ(0, policy_add("cgroup:" OUTER));
	ASSERT_EQ(0, policy_add("cgroup:" INNER));
	ASSERT_EQ(0, set(INNER_DIR, "queue_limit", "1000"));
	EXPECT_EQ(1000, info_in(INNER, 4001, &self->b).queue_limit);
}

TEST_F(tenant, limits_that_are_refused)
{
	static const struct { const char *name, *text; int err; } bad[] = {
		{ "pinned_limit", "-1", -EINVAL }, { "pinned_limit", "x", -EINVAL }, { "pinned_limit", "1x", -EINVAL },
		{ "pinned_limit", "1 2", -EINVAL }, { "pinned_limit", "0x10", -EINVAL }, { "pinned_limit", "\n", -EINVAL },
		{ "pinned_limit", "18446744073709551616", -ERANGE }, { "pinned_limit", "18446744073709551615", -ERANGE },
		{ "pinned_limit", "18446744073709551614", -ERANGE }, { "pinned_limit", "maximum", -EINVAL },
		{ "queue_limit", "1.5", -EINVAL }, { "rate_limit", "1000000001", -ERANGE },
		{ "pinned_limit", "0000000000000000000000000000000000000000000000000000000000000001", -EINVAL },
		{ "class_limit", "gold", -EINVAL }, { "class_limit", "batch gold", -EINVAL }, { "class_limit", " batch", -EINVAL },
		{ "class_limit", "batc", -EINVAL }, { "class_limit", "none batch", -EINVAL }, { "class_limit", "7", -EINVAL },
	};
	size_t i;

	ASSERT_EQ(0, policy_add("cgroup:" OUTER));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(bad[i].err, set(OUTER_DIR, bad[i].name, bad[i].text)) { TH_LOG("%s %s", bad[i].name, bad[i].text); }
		EXPECT_STREQ("default", get(OUTER_DIR, bad[i].name));
	}
	EXPECT_EQ(0, set(OUTER_DIR, "rate_limit", "1000000000"));
	EXPECT_EQ(0, set(OUTER_DIR, "class_limit", "batch  deadline "));
	EXPECT_STREQ("deadline batch", get(OUTER_DIR, "class_limit"));
	EXPECT_EQ(0, set(OUTER_DIR, "class_limit", "none"));
	EXPECT_STREQ("none", get(OUTER_DIR, "class_limit"));
}

TEST_F(tenant, names_that_are_refused)
{
	static const char *const bad[] = {
		"uid", "uid:", "uid:x", "uid:-1", "uid:4294967295", "uid:4294967296", "uid:1 2", "gid:1", "4001", "\n", "all",
		"cgroup", "cgroup:", "cgroup:/", "cgroup:a", "cgroup:/a/", "cgroup://a", "cgroup:/a//b", "cgroup:/a/../b",
		"cgroup:/./b", "cgroup:/..", "cgroup:/a\nb", "cgroup:" OUTER "/queue_limit",
	};
	char label[512] = "cgroup:/";
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(-EINVAL, policy_add(bad[i])) { TH_LOG("%s", bad[i]); }
		EXPECT_EQ(-EINVAL, policy_remove(bad[i])) { TH_LOG("%s", bad[i]); }
	}
	memset(label + 8, 'a', 256);
	EXPECT_EQ(-EINVAL, policy_add(label));
	label[8 + 255] = '\0';
	EXPECT_EQ(0, policy_add(label));
	EXPECT_EQ(0, policy_remove(label));
	EXPECT_EQ(-ENOENT, policy_remove(label));
	EXPECT_EQ(-ENOENT, policy_remove("uid:4001"));
	EXPECT_EQ(-ENOENT, policy_remove("cgroup:" INNER));
	EXPECT_EQ(0, policy_add("uid:4001"));
	EXPECT_EQ(0, policy_add("uid:4001"));
	EXPECT_EQ(0, policy_remove("uid:4001"));
	EXPECT_EQ(-ENOENT, policy_remove("uid:4001"));
	EXPECT_EQ(false, exists(OUTER_DIR));
}

/* Writes to every file of @dir that may be written; the number of those that could be opened. */
static int writable(const char *dir, int *ret_files)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	char path[512];
	int n = 0, fd;

	while (d && (entry = readdir(d))) {
		if (entry->d_type != DT_REG)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		n += fd >= 0;
		++*ret_files;
	}
	if (d)
		closedir(d);
	return n;
}

TEST_F(tenant, only_root_sets_limits)
{
	int files = 0;

	ASSERT_EQ(0, policy_add("cgroup:" OUTER));
	ASSERT_EQ(0, policy_add("uid:4001"));
	EXPECT_EQ(10, writable(OUTER_DIR, &files));
	EXPECT_EQ(22, files);
	ASSERT_EQ(0, seteuid(4001));
	EXPECT_EQ(0, writable(OUTER_DIR, &files));
	EXPECT_EQ(0, writable(ALL "/uid/4001", &files));
	EXPECT_EQ(0, writable(ALL, &files));
	EXPECT_EQ(-EACCES, set_number(ALL "/uid/4001", "pinned_limit", 1ULL << 40));
	EXPECT_EQ(-EACCES, policy_add("uid:4002"));
	EXPECT_STREQ("uid:4001", get(ALL "/uid/4001", "tenant_name"));
	ASSERT_EQ(0, seteuid(0));
}

/* ---- all at once: openers, and an administrator who makes, changes, reads and removes policies */

static void open_and_hold(unsigned int seed)
{
	uint32_t h;
	int fd;

	fd = cgroup_join(seed % 2 ? INNER : OUTER) ? -1 : open_as(4001 + seed % 3);
	if (fd < 0)
		_exit(1);
	bo_create(fd, PAGE << seed % 4, &h);
	program_create(fd, &h);
	close(fd);
}

static void administer(unsigned int seed)
{
	static const char *const labels[] = { "cgroup:" OUTER, "cgroup:" INNER, "uid:4001", "uid:4002" };
	static const char *const dirs[] = { OUTER_DIR, INNER_DIR, ALL "/uid/4001", ALL "/uid/4002" };
	char text[512] = "";
	uint32_t i = seed / 4 % 4;

	switch (seed % 4) {
	case 0:
		policy_add(labels[i]);
		break;
	case 1:
		policy_remove(labels[i]);
		break;
	case 2:
		set_number(dirs[i], "pinned_limit", seed % 16 * PAGE);
		set(dirs[i], "class_limit", "batch");
		break;
	default:
		held(dirs[i], text, sizeof(text));
		get(dirs[i], "engine_ns");
	}
}

TEST_F(tenant, all_at_once)
{
	uint64_t until = now_ns() + 3 * SEC;
	int i, status;
	pid_t pids[6];

	for (i = 0; i < 6; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			unsigned int seed = (unsigned int)i + 1;

			do {
				seed = seed * 1103515245 + 12345;	/* the C standard's example */
				if (i < 3)
					open_and_hold(seed >> 16);
				else
					administer(seed >> 16);
			} while (now_ns() < until);
			_exit(0);
		}
	}
	for (i = 0; i < 6; i++) {
		waitpid(pids[i], &status, 0);
		EXPECT_EQ(0, status);
	}
	policy_remove("uid:4002");
	policy_remove("cgroup:" INNER);
	policy_remove("cgroup:" OUTER);
	ASSERT_EQ(0, policy_add("uid:4001"));
	EXPECT_EQ(true, soon_holds_nothing(ALL));
	EXPECT_EQ(true, soon_holds_nothing(ALL "/uid/4001"));
}

TEST_HARNESS_MAIN
