#include "redis/command_reply.h"

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "quorate/redis/glob.h"

namespace quorate::redis {
namespace {

constexpr size_t kFirstName = 2;  // behind COMMAND and its subcommand

using Specs = std::vector<const CommandSpec*>;

Specs all_commands(const CommandTable& table) {
  Specs specs;
  for (const CommandSpec& spec : table.commands()) specs.push_back(&spec);
  return specs;
}

// The commands that the request names, null for those that do not exist.
Specs named_commands(const CommandTable& table, Args args) {
  Specs specs;
  for (const std::string_view name : args.subspan(kFirstName))
    specs.push_back(table.find_full(name));
  return specs;
}

Specs commands_asked_for(const CommandTable& table, Args args) {
  return args.size() <= kFirstName ? all_commands(table) : named_commands(table, args);
}

void write_names(Bits bits, ConstList<NamedBit> names, std::string_view prefix,
                 ReplyWriter& reply) {
  Bits known = 0;
  for (const NamedBit& named : names) known |= named.bit;
  reply.set(static_cast<size_t>(std::popcount(bits & known)));
  for (const NamedBit& named : names) {
    if ((bits & named.bit) != 0) reply.simple(std::string(prefix).append(named.name));
  }
}

void write_begin_search(const KeySpec& spec, ReplyWriter& reply) {
  reply.bulk("begin_search");
  reply.map(2);
  reply.bulk("type");
  switch (spec.begin) {
    case KeySpec::Begin::index:
      reply.bulk("index");
      reply.bulk("spec");
      reply.map(1);
      reply.bulk("index");
      reply.integer(spec.index);
      return;
    case KeySpec::Begin::keyword:
      reply.bulk("keyword");
      reply.bulk("spec");
      reply.map(2);
      reply.bulk("keyword");
      reply.bulk(spec.keyword);
      reply.bulk("startfrom");
      reply.integer(spec.start_from);
      return;
    case KeySpec::Begin::unknown:
      reply.bulk("unknown");
      reply.bulk("spec");
      reply.map(0);
      return;
  }
}

void write_find_keys(const KeySpec& spec, ReplyWriter& reply) {
  reply.bulk("find_keys");
  reply.map(2);
  reply.bulk("type");
  switch (spec.find) {
    case KeySpec::Find::range:
      reply.bulk("range");
      reply.bulk("spec");
      reply.map(3);
      reply.bulk("lastkey");
      reply.integer(spec.last_key);
      reply.bulk("keystep");
      reply.integer(spec.key_step);
      reply.bulk("limit");
      reply.integer(spec.limit);
      return;
    case KeySpec::Find::keynum:
      reply.bulk("keynum");
      reply.bulk("spec");
      reply.map(3);
      reply.bulk("keynumidx");
      reply.integer(spec.key_num_index);
      reply.bulk("firstkey");
      reply.integer(spec.first_key);
      reply.bulk("keystep");
      reply.integer(spec.key_step);
      return;
    case KeySpec::Find::unknown:
      reply.bulk("unknown");
      reply.bulk("spec");
      reply.map(0);
      return;
  }
}

void write_key_specs(ConstList<KeySpec> specs, ReplyWriter& reply) {
  reply.set(specs.size());
  for (const KeySpec& spec : specs) {
    reply.map(spec.notes.empty() ? 3 : 4);
    if (!spec.notes.empty()) {
      reply.bulk("notes");
      reply.bulk(spec.notes);
    }
    reply.bulk("flags");
    write_names(spec.flags, key_flag_names(), "", reply);
    write_begin_search(spec, reply);
    write_find_keys(spec, reply);
  }
}

void write_info(const CommandSpec* spec, ReplyWriter& reply) {
  if (spec == nullptr) {
    reply.null();
    return;
  }
  reply.array(10);
  reply.bulk(spec->full_name);
  reply.integer(spec->arity);
  write_names(spec->flags, command_flag_names(), "", reply);
  reply.integer(spec->first_key);
  reply.integer(spec->last_key);
  reply.integer(spec->key_step);
  write_names(spec->categories, acl_category_names(), "@", reply);
  reply.set(spec->tips.size());
  for (const std::string_view tip : spec->tips) reply.bulk(tip);
  write_key_specs(spec->keys, reply);
  if (spec->subcommands.empty()) {
    reply.set(0);
    return;
  }
  reply.array(spec->subcommands.size());
  for (const CommandSpec& sub : spec->subcommands) write_info(&sub, reply);
}

// A field of a map, present only when it says something.
struct Field {
  std::string_view name;
  std::string_view value;
};

size_t present(std::initializer_list<Field> fields) {
  return static_cast<size_t>(
      std::count_if(fields.begin(), fields.end(), [](const Field& f) { return !f.value.empty(); }));
}

void write_fields(std::initializer_list<Field> fields, ReplyWriter& reply) {
  for (const Field& field : fields) {
    if (field.value.empty()) continue;
    reply.bulk(field.name);
    reply.bulk(field.value);
  }
}

constexpr NamedBit kDocFlagNames[] = {{doc_flag::kDeprecated, "deprecated"},
                                      {doc_flag::kSyscmd, "syscmd"}};
constexpr NamedBit kArgFlagNames[] = {{arg_flag::kOptional, "optional"},
                                      {arg_flag::kMultiple, "multiple"},
                                      {arg_flag::kMultipleToken, "multiple_token"}};

// In the order of ArgType.
constexpr std::string_view kArgTypeNames[] = {
    "string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block"};

void write_arguments(ConstList<ArgSpec> arguments, ReplyWriter& reply) {
  reply.array(arguments.size());
  for (const ArgSpec& argument : arguments) {
    const bool nested = argument.type == ArgType::oneof || argument.type == ArgType::block;
    const std::string_view shown =
        argument.display_text.empty() ? argument.name : argument.display_text;
    const std::initializer_list<Field> before = {
        {"name", argument.name},
        {"type", kArgTypeNames[static_cast<size_t>(argument.type)]},
        {"display_text", nested ? "" : shown}};
    const std::initializer_list<Field> after = {{"token", argument.token},
                                                {"summary", argument.summary},
                                                {"since", argument.since},
                                                {"deprecated_since", argument.deprecated_since}};
    const bool has_key_spec = argument.key_spec_index >= 0;
    const bool has_flags = argument.flags != 0;
    reply.map(present(before) + present(after) + (has_key_spec ? 1 : 0) + (has_flags ? 1 : 0) +
              (nested ? 1 : 0));
    write_fields(before, reply);
    if (has_key_spec) {
      reply.bulk("key_spec_index");
      reply.integer(argument.key_spec_index);
    }
    write_fields(after, reply);
    if (has_flags) {
      reply.bulk("flags");
      write_names(argument.flags, kArgFlagNames, "", reply);
    }
    if (nested) {
      reply.bulk("arguments");
      write_arguments(argument.arguments, reply);
    }
  }
}

void write_history(ConstList<HistoryEntry> history, ReplyWriter& reply) {
  reply.bulk("history");
  reply.set(history.size());
  for (const HistoryEntry& entry : history) {
    reply.array(2);
    reply.bulk(entry.since);
    reply.bulk(entry.change);
  }
}

void write_docs(const CommandSpec& spec, ReplyWriter& reply) {
  const std::initializer_list<Field> before = {{"summary", spec.summary},
                                               {"since", spec.since},
                                               {"group", spec.group},
                                               {"complexity", spec.complexity}};
  const std::initializer_list<Field> after = {{"deprecated_since", spec.deprecated_since},
                                              {"replaced_by", spec.replaced_by}};
  reply.bulk(spec.full_name);
  reply.map(present(before) + present(after) + (spec.doc_flags != 0 ? 1 : 0) +
            (spec.history.empty() ? 0 : 1) + (spec.arguments.empty() ? 0 : 1) +
            (spec.subcommands.empty() ? 0 : 1));
  write_fields(before, reply);
  if (spec.doc_flags != 0) {
    reply.bulk("doc_flags");
    write_names(spec.doc_flags, kDocFlagNames, "", reply);
  }
  write_fields(after, reply);
  if (!spec.history.empty()) write_history(spec.history, reply);
  if (!spec.arguments.empty()) {
    reply.bulk("arguments");
    write_arguments(spec.arguments, reply);
  }
  if (!spec.subcommands.empty()) {
    reply.bulk("subcommands");
    reply.map(spec.subcommands.size());
    for (const CommandSpec& sub : spec.subcommands) write_docs(sub, reply);
  }
}

// What COMMAND LIST lets through.
struct Filter {
  enum class Kind : uint8_t { all, module, category, pattern };
  Kind kind = Kind::all;
  std::string_view pattern = {};
  Bits category = 0;

  bool accepts(const CommandSpec& spec) const {
    switch (kind) {
      case Kind::all:
        return true;
      case Kind::module:
        return false;  // there are no modules here
      case Kind::category:
        return (spec.categories & category) != 0;
      case Kind::pattern:
        return glob_match(pattern, spec.full_name, true);
    }
    return false;
  }
};

// False: a syntax error.
bool parse_filter(Args args, Filter& filter) {
  if (args.size() == kFirstName) return true;
  if (args.size() != kFirstName + 3 || !same_name(args[kFirstName], "FILTERBY")) return false;
  const std::string_view kind = args[kFirstName + 1];
  const std::string_view value = args[kFirstName + 2];
  if (same_name(kind, "MODULE")) {
    filter.kind = Filter::Kind::module;
  } else if (same_name(kind, "ACLCAT")) {
    filter.kind = Filter::Kind::category;
    filter.category = acl_category_by_name(value).value_or(0);
  } else if (same_name(kind, "PATTERN")) {
    filter.kind = Filter::Kind::pattern;
    filter.pattern = value;
  } else {
    return false;
  }
  return true;
}

void reply_keys(const CommandTable& table, Args args, bool with_flags, ReplyWriter& reply) {
  const Args call = args.subspan(kFirstName);
  const CommandSpec* const spec = table.find(call);
  if (spec == nullptr) return reply.error("ERR Invalid command specified");
  if (spec->keys.empty()) return reply.error("ERR The command has no key arguments");
  if (!spec->arity_fits(call.size()))
    return reply.error("ERR Invalid number of arguments specified for command");
  KeyReferences keys;
  const bool valid = find_keys(*spec, call, keys);
  if (keys.empty() && (!valid || !spec->has(command_flag::kNoMandatoryKeys)))
    return reply.error("ERR Invalid arguments specified for command");
  reply.array(keys.size());
  for (const KeyReference& key : keys) {
    if (with_flags) reply.array(2);
    reply.bulk(call[key.index]);
    if (with_flags) write_names(key.flags, key_flag_names(), "", reply);
  }
}

}  // namespace

void reply_command(const CommandTable& table, Args, ReplyWriter& reply) {
  reply.array(table.commands().size());
  for (const CommandSpec& spec : table.commands()) write_info(&spec, reply);
}

void reply_command_count(const CommandTable& table, Args, ReplyWriter& reply) {
  reply.integer(static_cast<int64_t>(table.commands().size()));
}

void reply_command_info(const CommandTable& table, Args args, ReplyWriter& reply) {
  const Specs specs = commands_asked_for(table, args);
  reply.array(specs.size());
  for (const CommandSpec* const spec : specs) write_info(spec, reply);
}

void reply_command_docs(const CommandTable& table, Args args, ReplyWriter& reply) {
  Specs specs = commands_asked_for(table, args);
  std::erase(specs, nullptr);
  reply.map(specs.size());
  for (const CommandSpec* const spec : specs) write_docs(*spec, reply);
}

void reply_command_list(const CommandTable& table, Args args, ReplyWriter& reply) {
  Filter filter;
  if (!parse_filter(args, filter)) return reply.error("ERR syntax error");
  Specs listed;
  for (const CommandSpec& spec : table.commands()) {
    if (filter.accepts(spec)) listed.push_back(&spec);
    for (const CommandSpec& sub : spec.subcommands) {
      if (filter.accepts(sub)) listed.push_back(&sub);
    }
  }
  reply.array(listed.size());
  for (const CommandSpec* const spec : listed) reply.bulk(spec->full_name);
}

void reply_command_getkeys(const CommandTable& table, Args args, ReplyWriter& reply) {
  reply_keys(table, args, false, reply);
}

void reply_command_getkeysandflags(const CommandTable& table, Args args, ReplyWriter& reply) {
  reply_keys(table, args, true, reply);
}

}  // namespace quorate::redis
