/* Built-in templates, for packages that bring none: the published forms of the families, as short as they can
 * be said. Where a family has no system message of its own, it goes before the first words of the user. */
#include "runtime/chat/chat.h"

#include <string.h>

static const char chatml[] = //
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/* The begin token opens every exchange. */
static const char llama2[] =
    "{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}"
    "{% set ns.system = '<<SYS>>\\n' ~ message['content'] ~ '\\n<</SYS>>\\n\\n' %}"
    "{% elif message['role'] == 'user' %}"
    "{{ bos_token ~ '[INST] ' ~ ns.system ~ message['content'].strip() ~ ' [/INST]' }}"
    "{% set ns.system = '' %}"
    "{% else %}{{ ' ' ~ message['content'].strip() ~ ' ' ~ eos_token }}{% endif %}"
    "{% endfor %}";

static const char llama3[] =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n{{ message['content'].strip() }}<|eot_id|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}";

static const char mistral[] =
    "{{ bos_token }}{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] ~ '\\n\\n' %}"
    "{% elif message['role'] == 'user' %}"
    "{{ '[INST] ' ~ ns.system ~ message['content'] ~ ' [/INST]' }}{% set ns.system = '' %}"
    "{% else %}{{ ' ' ~ message['content'].strip() ~ eos_token }}{% endif %}"
    "{% endfor %}";

static const char gemma[] =
    "{{ bos_token }}{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'].strip() ~ '\\n\\n' %}"
    "{% else %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ ns.system ~ message['content'].strip() }}<end_of_turn>\n"
    "{% set ns.system = '' %}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}";

static const char phi3[] = //
    "{% for message in messages %}"
    "<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}";

static const char zephyr[] = //
    "{% for message in messages %}"
    "<|{{ message['role'] }}|>\n{{ message['content'] ~ eos_token }}\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}";

/* For models that were never taught to talk: one text after the other. */
static const char plain[] = //
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ message['content'] }}{% if not loop.last %}{{ '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n' }}{% endif %}";

static const struct {
    const char *name, *text;
} templates[] = {{"chatml", chatml},   {"gemma", gemma}, {"llama2", llama2}, {"llama3", llama3},
                 {"mistral", mistral}, {"phi3", phi3},   {"plain", plain},   {"zephyr", zephyr}};

const char *chat_builtin(const char *name, const char **known)
{
    if (known)
        *known = "chatml, gemma, llama2, llama3, mistral, phi3, plain, zephyr";
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (strcmp(templates[i].name, name) == 0)
            return templates[i].text;
    return NULL;
}
