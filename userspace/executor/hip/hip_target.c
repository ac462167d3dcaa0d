// SPDX-License-Identifier: MIT
#include "hip_target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "gfx", the major version in decimal, then a digit and a hexadecimal digit: minor version and stepping. */
static int good_name(const char *s, size_t n)
{
	size_t i;

	if (n < 6 || n >= sizeof(((struct hip_target *)0)->name) || strncmp(s, "gfx", 3) || !isdigit((unsigned char)s[3]))
		return 0;
	for (i = 3; i < n; i++)
		if (!isdigit((unsigned char)s[i]) && !(s[i] >= 'a' && s[i] <= 'f'))
			return 0;
	return 1;
}

/* ":name+" or ":name-", any number of them */
static int good_features(const char *s)
{
	size_t n;

	while (*s == ':') {
		n = strspn(++s, "abcdefghijklmnopqrstuvwxyz0123456789");
		if (!n || (s[n] != '+' && s[n] != '-'))
			return 0;
		s += n + 1;
	}
	return !*s;
}

int hip_target_parse(const char *arch_name, struct hip_target *ret_target, char *err, size_t err_size)
{
	struct hip_target target = { 0 };
	size_t n = strcspn(arch_name, ":");

	if (!good_name(arch_name, n) || !good_features(arch_name + n) || strlen(arch_name + n) >= sizeof(target.features)) {
		snprintf(err, err_size, "the device calls itself \"%.64s\", which is no gfx target with features", arch_name);
		return -EINVAL;
	}
	memcpy(target.name, arch_name, n);
	strcpy(target.features, arch_name[n] ? arch_name + n + 1 : "");
	target.wave = n == 6 && arch_name[3] == '9' ? 64 : 32;
	*ret_target = target;
	return 0;
}

/* Names of its subfolders "gfx...", each with a blank before it. */
static void list_targets(const char *folder, char *buf, size_t size)
{
	struct dirent **names;
	size_t used = 0;
	int i, n = scandir(folder, &names, NULL, versionsort);

	*buf = 0;
	for (i = 0; i < n; i++) {
		if (!strncmp(names[i]->d_name, "gfx", 3) && used < size)
			used += (size_t)snprintf(buf + used, size - used, " %s", names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int hip_target_library(const struct hip_target *target, const char *folder, char *ret_path, size_t path_size,
		       char *err, size_t err_size)
{
	char there[128];
	struct stat st;

	if (snprintf(ret_path, path_size, "%s/%s", folder, target->name) >= (int)path_size) {
		snprintf(err, err_size, "kernels=%s is too long", folder);
		return -ENAMETOOLONG;
	}
	if (!stat(ret_path, &st) && S_ISDIR(st.st_mode))
		return 0;
	list_targets(folder, there, sizeof(there));
	if (*there)
		snprintf(err, err_size, "no kernels for %s%s%s: %s has those for%s", target->name, *target->features ? ":" : "",
			 target->features, folder, there);
	else
		snprintf(err, err_size, "no kernels for %s: there are none in %s (make kernels; option kernels=)", target->name, folder);
	return -ENOENT;
}
