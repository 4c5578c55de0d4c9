defmodule Quota.Options do
  @moduledoc false
  # Validates the options in the caller's process, before anything starts.

  import Bitwise, only: [<<<: 2]

  @smallest 64 * 1024
  # In words it has to be a small integer of the VM, four times over: see `Quota.Tracer`.
  @largest 1 <<< 59
  # The longest timeout of `receive`, in milliseconds: 49 days.
  @longest (1 <<< 32) - 1
  # The largest `:max_queue`, in messages.
  @most_messages (1 <<< 32) - 1
  # The default of `:max_children`, and its maximum: the process limit of a node.
  @children 10_000
  @most_children 134_217_727
  # The options that `run/3` and `put_limit/2` share.
  @common [
    label: nil,
    pool: nil,
    pool_timeout: 0,
    mode: :enforce,
    soft_limit: nil,
    max_queue: nil,
    count: [],
    max_children: nil,
    shared_binaries: true
  ]
  @run [timeout: :infinity, inherit: []]

  defstruct @common ++ @run

  # Names only: the struct has the defaults, and putting all of them in twice costs a quarter of a microsecond.
  @known_in_common Keyword.keys(@common)
  @known @known_in_common ++ Keyword.keys(@run)

  @doc "The smallest limit in bytes: the VM ignores or refuses smaller ones."
  def smallest, do: max(@smallest, Quota.Vm.min_heap_bytes())

  @doc "The options of `Quota.run/3`."
  def validate!(limit, fun, opts) do
    limit!(limit)
    function!(fun)
    options!(opts, limit, @known)
  end

  @doc "The options of `Quota.put_limit/2`."
  def validate!(limit, opts) do
    limit!(limit)
    options!(opts, limit, @known_in_common)
  end

  @doc "The largest limit in bytes: 512 PiB."
  def largest, do: @largest

  @doc "The longest timeout in milliseconds."
  def longest, do: @longest

  defp limit!(limit) when is_integer(limit) do
    unless limit >= smallest() and limit <= @largest do
      raise ArgumentError,
            "the limit is in bytes, from #{smallest()} to #{@largest}, got: #{limit}. " <>
              "Quota.kib/1, mib/1 and gib/1 help"
    end
  end

  defp limit!(limit) do
    raise ArgumentError,
          "the limit is an integer, in bytes, from #{smallest()} to #{@largest}, got: #{inspect(limit)}"
  end

  @doc "Raises unless `fun` is a function of no arguments."
  def function!(fun) when is_function(fun, 0), do: :ok

  def function!(fun) do
    raise ArgumentError, "the work is a function of no arguments, got: #{inspect(fun)}"
  end

  defp options!([], _limit, _known), do: %__MODULE__{}

  defp options!(opts, limit, known) do
    keyword!(opts)
    options = struct!(__MODULE__, Keyword.validate!(opts, known))
    timeout!(options.timeout)
    inherit!(options.inherit)
    pool!(options)
    mode!(options.mode)
    soft_limit!(options.soft_limit, limit)
    max_queue!(options.max_queue)
    count!(options.count)
    shared_binaries!(options.shared_binaries)
    %{options | max_children: max_children!(options.max_children, options.count)}
  end

  @doc "Raises unless `opts` is a keyword list."
  def keyword!(opts) do
    unless Keyword.keyword?(opts) do
      raise ArgumentError, "the options are a keyword list, got: #{inspect(opts, limit: 10)}"
    end
  end

  defp mode!(mode) when mode in [:enforce, :observe], do: :ok

  defp mode!(mode),
    do: raise(ArgumentError, ":mode is :enforce or :observe, got: #{inspect(mode)}")

  defp soft_limit!(nil, _limit), do: :ok
  defp soft_limit!(soft, limit) when is_integer(soft) and soft > 0 and soft <= limit, do: :ok

  defp soft_limit!(soft, limit) do
    raise ArgumentError,
          ":soft_limit is in bytes, from 1 to the limit of #{limit}, got: #{inspect(soft)}"
  end

  defp max_queue!(nil), do: :ok
  defp max_queue!(max) when is_integer(max) and max > 0 and max <= @most_messages, do: :ok

  defp max_queue!(max) do
    raise ArgumentError,
          ":max_queue is a number of messages, from 1 to #{@most_messages}, got: #{inspect(max)}"
  end

  defp count!(count) do
    unless proper?(count) and Enum.all?(count, &(&1 in [:children, :ets])) do
      raise ArgumentError, ":count is a list of :children and :ets, got: #{inspect(count)}"
    end
  end

  defp max_children!(nil, count), do: if(:children in count, do: @children)

  defp max_children!(most, count) when is_integer(most) and most in 0..@most_children do
    unless :children in count do
      raise ArgumentError,
            ":max_children needs count: [:children], which counts the processes that it limits"
    end

    most
  end

  defp max_children!(most, _count) do
    raise ArgumentError,
          ":max_children is a number of processes, from 0 to #{@most_children}, got: #{inspect(most)}"
  end

  defp shared_binaries!(shared) when is_boolean(shared), do: :ok

  defp shared_binaries!(shared) do
    raise ArgumentError, ":shared_binaries is true or false, got: #{inspect(shared)}"
  end

  defp timeout!(:infinity), do: :ok
  defp timeout!(timeout) when is_integer(timeout) and timeout in 0..@longest, do: :ok

  defp timeout!(timeout) do
    raise ArgumentError,
          ":timeout is in milliseconds, from 0 to #{@longest}, or :infinity, got: #{inspect(timeout)}"
  end

  defp pool!(%{pool: nil, pool_timeout: 0}), do: :ok

  defp pool!(%{pool: nil}) do
    raise ArgumentError,
          ":pool_timeout needs a :pool to wait for: pass :pool, or leave :pool_timeout out"
  end

  defp pool!(%{pool: pool}) when not is_atom(pool) do
    raise ArgumentError, ":pool is the name of a Quota.Pool, got: #{inspect(pool)}"
  end

  defp pool!(%{pool_timeout: :infinity}), do: :ok

  defp pool!(%{pool_timeout: timeout}) when is_integer(timeout) and timeout in 0..@longest,
    do: :ok

  defp pool!(%{pool_timeout: timeout}) do
    raise ArgumentError,
          ":pool_timeout is in milliseconds, from 0 to #{@longest}, or :infinity, got: #{inspect(timeout)}"
  end

  defp inherit!(keys) do
    unless proper?(keys) do
      raise ArgumentError,
            ":inherit is a list of process dictionary keys, got: #{inspect(keys, limit: 10)}"
    end
  end

  defp proper?(list), do: is_list(list) and not List.improper?(list)
end
