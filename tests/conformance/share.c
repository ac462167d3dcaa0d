// SPDX-License-Identifier: MIT
/* Engine time by weight, under saturation. */
#include <pthread.h>
#include <unistd.h>
#include "suite.h"

#define MS	1000000ull
#define CLIENTS	3

struct client {
	struct dseek_device *dev;
	struct dseek_program *prog;
	struct dseek_queue *queue;
	uint64_t used;
};

/* Within 1 % of the share, and of what one job more or less makes. */
static void check_shares(const struct client *clients, const unsigned int *weights, uint64_t longest_job)
{
	uint64_t total = 0, sum = 0, share, want, exact, off;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		total += clients[i].used;
		sum += weights[i];
	}
	for (i = 0; i < CLIENTS; i++) {
		share = clients[i].used * 100000 / total;
		want = 100000ull * weights[i] / sum;
		printf("# weight %u: %llu.%03llu %% of %llu ms, %llu.%03llu %% wanted\n", weights[i],
		       (unsigned long long)share / 1000, (unsigned long long)share % 1000,
		       (unsigned long long)(total / MS), (unsigned long long)want / 1000, (unsigned long long)want % 1000);
		exact = total / sum * weights[i];
		off = clients[i].used > exact ? clients[i].used - exact : exact - clients[i].used;
		CHECK(off <= exact / 100 + longest_job);
	}
}

/* The test is the executor, so nothing depends on how fast anyone is. */
static void serve(struct manual *m, struct client *clients, const unsigned int *costs_ms, uint64_t total_ms)
{
	uint64_t done_ms = 0;
	uint32_t tag, i;

	while (done_ms < total_ms) {
		const struct drm_dseek_job_desc *job;

		tag = manual_fetch_one(m);
		job = dseek_exec_job(m->exec, tag);
		memcpy(&i, job->consts, 4);
		manual_done(m, tag, 0, costs_ms[i] * MS);
		clients[i].used += costs_ms[i] * MS;
		done_ms += costs_ms[i];
	}
}

static struct dseek_program *numbered(struct dseek_device *dev)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = { .code = DSEEK_OP_NOP };
	struct dseek_program *prog;
	size_t size;
	void *blob;

	memset(op.t, 0xff, sizeof(op.t));
	dseek_builder_param(b, 0, CLIENTS - 1);
	dseek_builder_op(b, &op);
	CHECK_OK(dseek_builder_finish(b, &blob, &size));
	CHECK_OK(dseek_program_create(dev, blob, size, &prog));
	free(blob);
	dseek_builder_destroy(b);
	return prog;
}

static void fill(struct client *client, uint32_t number, uint32_t count)
{
	struct dseek_job jobs[64];
	uint64_t seqno;
	uint32_t i, n;

	while (count) {
		n = count < 64 ? count : 64;
		for (i = 0; i < n; i++)
			jobs[i] = (struct dseek_job) { .program = client->prog, .consts = &number, .const_size = 4 };
		CHECK_EQ(dseek_submit(client->queue, jobs, n, &seqno, NULL), n);
		count -= n;
	}
}

static void by_weight(bool tenants, const unsigned int *costs_ms)
{
	static const unsigned int weights[CLIENTS] = { 1, 2, 4 };
	static const char *const names[CLIENTS] = { "bronze", "silver", "gold" };
	struct client clients[CLIENTS] = { { 0 } };
	struct dseek_tenant_info info;
	struct manual m;
	uint32_t i, each;

	manual_open(&m, 1, "job_limit=12000");
	for (i = 0; i < CLIENTS; i++) {
		clients[i].dev = tenants ? device_open_as("engine=none", names[i]) : m.dev;
		clients[i].prog = numbered(clients[i].dev);
		clients[i].queue = queue_fair(clients[i].dev, m.engine, DSEEK_CLASS_BATCH, weights[i]);
	}
	CHECK_OK(dseek_tenant_info(m.dev, &info));
	each = info.job_limit / CLIENTS - 64;
	each = each > 4000 ? 4000 : each;
	for (i = 0; i < CLIENTS; i++)
		fill(&clients[i], i, each);
	/* As long as the heaviest has work. */
	serve(&m, clients, costs_ms, each * costs_ms[2]);
	check_shares(clients, weights, 7 * MS);
	for (i = 0; i < CLIENTS; i++) {
		dseek_queue_destroy(clients[i].queue);
		dseek_program_destroy(clients[i].prog);
		if (tenants)
			dseek_close(clients[i].dev);
	}
	manual_close(&m);
}

static void queues_equal_costs(void)
{
	by_weight(false, (const unsigned int[]) { 1, 1, 1 });
}

static void queues_unequal_costs(void)
{
	by_weight(false, (const unsigned int[]) { 7, 3, 1 });
}

static void tenants(void)
{
	if (!on_embed())
		skip("tenants of the module are users: tests/vm runs them");
	by_weight(true, (const unsigned int[]) { 5, 1, 2 });
}

/* ---- threads, and an executor's thread */

static int stop;

static void *saturate(void *arg)
{
	struct client *client = arg;
	struct dseek_job jobs[64];
	uint64_t seqno, oldest = 0;
	int i;

	for (i = 0; i < 64; i++)
		jobs[i] = (struct dseek_job) { .program = client->prog };
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		CHECK_EQ(dseek_submit(client->queue, jobs, 64, &seqno, NULL), 64);
		/* 16 batches ahead */
		if (seqno > 1024)
			oldest = seqno - 1024;
		if (oldest)
			CHECK_OK(dseek_wait(client->queue, oldest, in_ms(20000), NULL));
	}
	return NULL;
}

static void saturated_threads(void)
{
	static const unsigned int weights[CLIENTS] = { 1, 2, 4 };
	static const char *const names[CLIENTS] = { "bronze", "silver", "gold" };
	struct client clients[CLIENTS] = { { 0 } };
	struct dseek_queue_stats before[CLIENTS], after[CLIENTS];
	struct dseek_engine_info info;
	pthread_t threads[CLIENTS];
	int i;

	if (!on_embed())
		skip("tenants of the module are users: tests/vm runs them");
	for (i = 0; i < CLIENTS; i++) {
		/* Long enough that a client that isn't scheduled for a while still has work queued. */
		clients[i].dev = device_open_as("engine=null,spin=1", names[i]);
		clients[i].prog = program_spin(clients[i].dev, 50, 1);
		CHECK_OK(dseek_engine_find(clients[i].dev, NULL, &info));
		clients[i].queue = queue_fair(clients[i].dev, info.id, DSEEK_CLASS_BATCH, weights[i]);
		CHECK(pthread_create(&threads[i], NULL, saturate, &clients[i]) == 0);
	}
	usleep(300000);
	for (i = 0; i < CLIENTS; i++)
		CHECK_OK(dseek_queue_stats(clients[i].queue, &before[i]));
	usleep(2000000);
	for (i = 0; i < CLIENTS; i++)
		CHECK_OK(dseek_queue_stats(clients[i].queue, &after[i]));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < CLIENTS; i++) {
		pthread_join(threads[i], NULL);
		clients[i].used = after[i].engine_ns - before[i].engine_ns;
		printf("# %s: used/entitled %llu permille\n", names[i],
		       (unsigned long long)(1000 * after[i].engine_ns / after[i].entitled_ns));
	}
	check_shares(clients, weights, MS / 20);
	for (i = 0; i < CLIENTS; i++) {
		dseek_queue_destroy(clients[i].queue);
		dseek_program_destroy(clients[i].prog);
		dseek_close(clients[i].dev);
	}
}

const struct test share_tests[] = {
	{ "queues 1:2:4, equal jobs", queues_equal_costs },
	{ "queues 1:2:4, jobs of different lengths", queues_unequal_costs },
	{ "tenants 1:2:4, jobs of different lengths", tenants },
	{ "tenants 1:2:4, saturated by threads", saturated_threads },
	{ NULL },
};
