/* A plugin for qemu-user that counts the instructions a program executes and prints them at its end. What it
 * needs of QEMU's interface (version 1) is declared here, since few systems have its header. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t Plugin;
struct qemu_plugin_tb;
enum { ADD_U64 = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(Plugin id, void (*fn)(Plugin id, struct qemu_plugin_tb *block));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int op, void *to, uint64_t by);
void qemu_plugin_register_atexit_cb(Plugin id, void (*fn)(Plugin id, void *context), void *context);

int qemu_plugin_version = 1;
int qemu_plugin_install(Plugin id, const void *info, int argc, char **argv);

static uint64_t executed;

static void count_block(Plugin id, struct qemu_plugin_tb *block)
{
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &executed, qemu_plugin_tb_n_insns(block));
}

static void print_count(Plugin id, void *context)
{
    fprintf(stderr, "instructions %" PRIu64 "\n", executed);
}

int qemu_plugin_install(Plugin id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    qemu_plugin_register_atexit_cb(id, print_count, NULL);
    return 0;
}
