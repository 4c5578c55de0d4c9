defmodule Bounded.Native do
  @moduledoc false
  # The NIF boundary: stubs only. Each file of `native/nif/src` has its section here.

  # This module compiles before its library exists.
  @compile {:autoload, false}
  @on_load :load

  # Once in the life of a node, even when somebody has deleted and purged the module since: what it was is
  # still in use, by resources, guards and the tracer, and would be told from what it is by nobody.
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
  def binary_append(_filling, _piece), do: not_loaded()
  def binary_finish(_filling), do: not_loaded()
  def binary_adjacent(_first, _second), do: not_loaded()
  def binary_address(_binary), do: not_loaded()
  def binary_slices(_binary, _positions, _shared), do: not_loaded()
  def binary_walk_term(_binary, _position, _limit, _allowed, _node), do: not_loaded()
  def binary_room(_bytes), do: not_loaded()

  ## quota/handle.rs

  def account_new(_parent, _limit), do: not_loaded()
  def account_member(_group), do: not_loaded()
  def account_label(_account, _label), do: not_loaded()
  def account_attach(_account, _pid), do: not_loaded()
  def account_detach(_pid), do: not_loaded()
  def account_answered(_account), do: not_loaded()
  def account_close(_account), do: not_loaded()
  def account_caption(_account), do: not_loaded()
  def account_usage(_account), do: not_loaded()
  def account_details(_account), do: not_loaded()
  def account_headroom(_account), do: not_loaded()
  def in_quota(_pid), do: not_loaded()
  def own_account, do: not_loaded()
  def own_observe(_heap, _binaries), do: not_loaded()
  def own_usage, do: not_loaded()
  def quotas(_piece), do: not_loaded()

  ## quota/watch.rs

  def account_terms(_account, _limit, _soft_limit, _max_queue), do: not_loaded()
  def account_guard(_account), do: not_loaded()
  def account_untraced(_account), do: not_loaded()
  def account_reported(_account), do: not_loaded()
  def account_ends_over(_account, _heap, _binaries, _alone), do: not_loaded()
  def account_poll(_account, _heap, _binaries, _work, _queue), do: not_loaded()
  def account_observe_ets(_account, _bytes), do: not_loaded()
  def account_counts(_account, _pid), do: not_loaded()
  def account_limit(_account), do: not_loaded()
  def account_breach(_account), do: not_loaded()
  def account_breach_queue(_account), do: not_loaded()
  def account_breach_result(_account), do: not_loaded()
  def account_stack(_account, _stack), do: not_loaded()
  def account_cause(_account), do: not_loaded()
  def account_observe(_account, _heap, _binaries), do: not_loaded()
  def account_surveyed(_account, _surveyed, _taken), do: not_loaded()

  ## quota/children.rs

  def process_bytes(_memory, _heap), do: not_loaded()
  def account_max_children(_account, _most), do: not_loaded()
  def account_spawned(_account, _most), do: not_loaded()
  def account_members(_account, _after), do: not_loaded()
  def account_surveyable(_account, _after), do: not_loaded()
  def account_prune(_account, _after), do: not_loaded()
  def account_too_many(_account), do: not_loaded()
  def account_breach_children(_account), do: not_loaded()
  def account_watched(_account), do: not_loaded()
  def account_asked(_account), do: not_loaded()
  def account_alarm(_account, _milliseconds), do: not_loaded()
  def account_due(_account, _milliseconds), do: not_loaded()
  def account_dead(_account, _pid), do: not_loaded()

  ## quota/log_turns.rs

  def breach_log_turn(_kind), do: not_loaded()

  ## quota/orphan_monitor.rs

  def account_begin(_account, _pid), do: not_loaded()
  def account_guarded(_account, _pid), do: not_loaded()
  def account_guard_done(_account), do: not_loaded()
  def account_guard_ended(_account), do: not_loaded()
  def sweeper_enter, do: not_loaded()
  def sweeper_unguarded(_piece), do: not_loaded()
  def sweeper_rest, do: not_loaded()

  ## quota/registry.rs

  def node_usage, do: not_loaded()

  ## quota/tracer.rs: the last two are called by the VM

  def account_vm_limit(_account, _bytes, _counts_binaries), do: not_loaded()
  def account_measuring(_account), do: not_loaded()
  def enabled(_tag, _state, _tracee), do: not_loaded()
  def trace(_tag, _state, _tracee, _info, _opts), do: not_loaded()

  ## quota/pool.rs

  def pool_new(_size), do: not_loaded()
  def pool_keep(_pool), do: not_loaded()
  def pool_admit(_pool, _account, _bytes), do: not_loaded()
  def pool_admit_queued(_pool, _account, _bytes), do: not_loaded()
  def pool_set_waiting(_pool, _count), do: not_loaded()
  def pool_set_paused(_pool, _paused), do: not_loaded()
  def pool_resize(_pool, _size), do: not_loaded()
  def pool_refused(_pool), do: not_loaded()
  def pool_figures(_pool), do: not_loaded()
  def pool_holders(_pool, _after), do: not_loaded()

  ## xml.rs

  def xml_new(_setup), do: not_loaded()
  def xml_open(_setup, _binary, _offset, _length, _last), do: not_loaded()
  def xml_feed(_parser, _binary, _offset, _length, _last, _built), do: not_loaded()
  def xml_close(_parser), do: not_loaded()
  def xml_interrupt(_parser), do: not_loaded()
  def xml_position(_parser), do: not_loaded()
  def xml_progress(_parser), do: not_loaded()
  def xml_encoding?(_name), do: not_loaded()
  def xml_encodings, do: not_loaded()

  ## timing.rs

  def measured_calls(_threshold), do: not_loaded()

  defp not_loaded, do: :erlang.nif_error(:nif_not_loaded)
end
