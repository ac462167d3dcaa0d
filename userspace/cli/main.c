// SPDX-License-Identifier: MIT
/* dseek: the table of sub-commands. */
#include "bench_ops.h"
#include "cli.h"

static const struct cli_command commands[] = {
	{ "", "run", cmd_run, "tenants at work on one engine, and what each of them got" },
	{ "", "doctor", cmd_doctor, "what this machine has, and what to do about what is missing" },
	{ "", "generate", cmd_generate, "continue a prompt" },
	{ "", "logits", cmd_logits, "logits of every token of a sequence, as float32" },
	{ "", "tokenize", cmd_tokenize, "token ids of a text, and back" },
	{ "model", "inspect", cmd_model_inspect, "what a GGUF file says" },
	{ "model", "moefy", cmd_model_moefy, "a dense model as a mixture of experts" },
	{ "model", "synth", cmd_model_synth, "a small model with random weights" },
	{ "bench", "arb", bench_arb_main, "what a decision of the arbiter costs, by the number of queues" },
	{ "bench", "choice", bench_choice_main, "queues over several engines, and how good predictions are" },
	{ "bench", "latent", bench_latent_main, "the cpu engine's forms of latent attention, against plain heads" },
	{ "bench", "ops", bench_ops_main, "the cpu engine's ops, against what memory gives" },
	{ "bench", "preempt", bench_preempt_main, "how long something better waits, against the published bound" },
	{ "bench", "shares", bench_shares_main, "what tenants get of an engine, beside their weights" },
	{ "bench", "roundtrip", bench_roundtrip_main, "what the way to an engine and back costs" },
	{ "bench", "model", bench_model_main, "tokens per second of prefill and decode" },
	{ "bench", "quality", bench_quality_main, "perplexity on the shipped text, by experts selected" },
	{ "bench", "routing", bench_routing_main, "how evenly routers load experts, and what balance costs" },
	{ "bench", "sparse", bench_sparse_main, "what attention over few, selected blocks of keys loses" },
	{ NULL }
};

static const struct cli_group groups[] = {
	{ "model", "look into and make model files" },
	{ "bench", "measurements; ratios within one run" },
	{ NULL }
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		"dseek", commands, groups, ". DSEEK_LOG_LEVEL: error, warn, info, debug.",
	};

	return cli_main(&program, argc, argv);
}
