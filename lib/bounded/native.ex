defmodule Bounded.Native do
  @moduledoc false
  # The NIF boundary: stubs only, in sections named after the files of `native/nif/src`. A section includes the files below its own.

  # This module compiles before its library exists.
  @compile {:autoload, false}
  @on_load :load

  # Loads the library once in the life of a node, even if this module was deleted and purged since. Resources, guards and the
  # tracer of the first load are still in use, and a second copy of the library would take them for its own.
  def load do
    if :persistent_term.get(__MODULE__, false) do
      {:error, "the native library of Bounded is loaded once: restart the node"}
    else
      with :ok <- load_library(), do: :persistent_term.put(__MODULE__, true)
    end
  end

  # `load_nif` wants a charlist, without the file's extension.
  defp load_library, do: library() |> String.to_charlist() |> :erlang.load_nif(0)

  # The application's directory is the one that holds this module's own file. `:code.lib_dir/1` goes by the names of
  # folders: with one called `bounded` in the code path, such as a clone's with `-pa .`, it returns that one.
  defp library do
    case :code.which(__MODULE__) do
      beam when is_list(beam) and beam != [] -> Path.expand("../../priv/native/bounded_nif", beam)
      _ -> Path.join(:code.priv_dir(:bounded), "native/bounded_nif")
    end
  end

  ## binary.rs

  def binary_copy(_binary), do: not_loaded()
  def binary_new(_len), do: not_loaded()
  def binary_append(_builder, _piece), do: not_loaded()
  def binary_finish(_builder), do: not_loaded()
  def binary_adjacent(_first, _second), do: not_loaded()
  def binary_address(_binary), do: not_loaded()
  def binary_slices(_binary, _positions, _shared), do: not_loaded()
  def binary_walk_term(_binary, _position, _limit, _allowed, _node), do: not_loaded()
  def binary_room(_bytes), do: not_loaded()

  ## kernel_file.rs

  def kernel_file_open(_path), do: not_loaded()
  def kernel_file_read(_file), do: not_loaded()

  ## kernel_file/watch.rs

  def usage_watch_start(_file), do: not_loaded()
  def usage_watch_order(_watch, _now, _total, _marks, _times), do: not_loaded()

  ## quota/account.rs

  def account_new(_parent, _limit, _terms, _label), do: not_loaded()
  def account_child(_group), do: not_loaded()
  def account_attach(_account, _pid), do: not_loaded()
  def account_adopt(_account, _pid), do: not_loaded()
  def account_begin(_account, _pid, _vm_limit, _counts_binaries), do: not_loaded()
  def account_detach(_account, _pid), do: not_loaded()
  def account_answered(_account), do: not_loaded()
  def account_close(_account), do: not_loaded()
  def account_label(_account), do: not_loaded()
  def account_usage(_account), do: not_loaded()
  def account_others(_account), do: not_loaded()
  def account_details(_account), do: not_loaded()
  def in_quota(_pid), do: not_loaded()
  def account_of(_pid), do: not_loaded()
  def own_account, do: not_loaded()
  def own_observe(_heap, _binaries), do: not_loaded()
  def own_usage, do: not_loaded()
  def quotas(_from), do: not_loaded()
  def node_usage, do: not_loaded()

  ## quota/watch.rs

  def account_guard(_account), do: not_loaded()
  def account_untraced(_account), do: not_loaded()
  def account_reported(_account), do: not_loaded()
  def account_ends(_account, _heap, _binaries, _alone, _leaves), do: not_loaded()
  def account_poll(_account, _heap, _binaries, _work, _queue, _collections), do: not_loaded()
  def account_observe_ets(_account, _bytes), do: not_loaded()
  def account_counts(_account, _pid), do: not_loaded()
  def account_limit(_account), do: not_loaded()
  def account_breach(_account, _reason), do: not_loaded()
  def account_stack(_account, _stack), do: not_loaded()
  def account_cause(_account), do: not_loaded()
  def account_observe(_account, _heap, _binaries, _collections), do: not_loaded()
  def account_batch_polled(_account, _polled, _taken), do: not_loaded()

  ## quota/children.rs

  def process_bytes(_memory, _heap), do: not_loaded()
  def account_spawned(_account, _most), do: not_loaded()
  def account_children(_account, _after, _pollable), do: not_loaded()
  def account_prune(_account, _after), do: not_loaded()
  def account_counts_children(_account), do: not_loaded()
  def account_too_many(_account), do: not_loaded()
  def account_watched(_account), do: not_loaded()
  def account_asked(_account), do: not_loaded()
  def account_alarm(_account, _milliseconds), do: not_loaded()
  def account_due(_account, _milliseconds), do: not_loaded()
  def account_dead(_account, _pid), do: not_loaded()
  def account_long_turns(_account), do: not_loaded()
  def turn_watcher_enter(_scheduler), do: not_loaded()
  def turn_watchers, do: not_loaded()
  def turns_ended(_scheduler), do: not_loaded()
  def account_turn_ended(_account, _heap, _binaries, _collections), do: not_loaded()
  def account_observe_at_rest(_account, _heap, _binaries, _collections), do: not_loaded()

  ## quota/children/held.rs

  def account_large(_account, _after, _in_doubt), do: not_loaded()
  def account_held(_account, _with_own), do: not_loaded()
  def account_collections(_account), do: not_loaded()

  ## quota/log_turns.rs

  def breach_log_turn(_kind), do: not_loaded()

  ## quota/orphan_monitor.rs

  def account_guarded(_account, _pid), do: not_loaded()
  def account_guard_ends(_account, _reason), do: not_loaded()
  def account_guard_ended(_account), do: not_loaded()
  def orphan_monitor_enter, do: not_loaded()
  def orphan_monitor_unguarded(_piece), do: not_loaded()
  def orphan_monitor_rest, do: not_loaded()

  ## quota/tracer.rs: the last two are called by the VM

  def account_vm_limit(_account, _bytes, _counts_binaries), do: not_loaded()
  def account_measuring(_account), do: not_loaded()
  def enabled(_tag, _state, _tracee), do: not_loaded()
  def trace(_tag, _state, _tracee, _info, _opts), do: not_loaded()

  ## quota/watchers.rs

  def watchers_register(_modules), do: not_loaded()
  def watcher_module(_module), do: not_loaded()

  ## quota/pool.rs

  def pool_new(_size), do: not_loaded()
  def pool_keep(_pool), do: not_loaded()
  def pool_admit(_pool, _account, _bytes, _queued), do: not_loaded()
  def pool_set_waiting(_pool, _count), do: not_loaded()
  def pool_set_paused(_pool, _paused), do: not_loaded()
  def pool_resize(_pool, _size), do: not_loaded()
  def pool_refused(_pool), do: not_loaded()
  def pool_figures(_pool), do: not_loaded()
  def pool_holders(_pool, _after), do: not_loaded()

  ## xml.rs

  def xml_open(_setup, _binary, _offset, _length, _last), do: not_loaded()
  def xml_feed(_parser, _binary, _offset, _length, _last, _built), do: not_loaded()
  def xml_close(_parser), do: not_loaded()
  def xml_interrupt(_parser), do: not_loaded()
  def xml_position(_parser), do: not_loaded()
  def xml_progress(_parser), do: not_loaded()
  def xml_encoding?(_name), do: not_loaded()
  def xml_states(_paths), do: not_loaded()
  def xml_encodings, do: not_loaded()

  ## xml/encode.rs

  def xml_encode(_setup, _frames, _last), do: not_loaded()
  def xml_encode_more(_encoder, _frames, _last), do: not_loaded()
  def xml_encode_close(_encoder), do: not_loaded()
  def xml_escape(_part, _last), do: not_loaded()
  def xml_unescape(_part, _last, _html), do: not_loaded()

  ## timing/measuring.rs, in builds for tests alone

  def measured_calls(_threshold), do: not_loaded()

  ## quota/account.rs, in builds for tests alone

  def refuse_reservation(_nth, _lasting), do: not_loaded()

  defp not_loaded, do: :erlang.nif_error(:nif_not_loaded)
end
