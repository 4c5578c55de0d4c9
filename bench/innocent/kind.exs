defmodule Bench.Innocent.Kind do
  # One kind of honest work: it holds at most a third of its limit, and more only where its name says so.
  #
  #   name       unique; the filter of the command line looks in it
  #   work       what runs in the quota, of no arguments, or of one: what `setup` returned, which it then captures
  #   limit      bytes
  #   options    of `Quota.try_run/3`
  #   setup      runs once, outside the quota
  #   runs       how many; nil: as many as the command line asks for
  #   via        `:run`, `:put_limit` or `:server` (requests to a GenServer that limits itself), or `{:at_once, n}`: n quotas
  #              that all hold their work at the same time
  #   since      first release of OTP that it runs on
  #   documented nil, or `{release, why}`: from this release of OTP on such work is stopped, as the guides say. That is printed and is no
  #              fault

  @enforce_keys [:name, :work]
  defstruct [
    :name,
    :work,
    :setup,
    :runs,
    :documented,
    limit: 16 * 1_048_576,
    options: [],
    via: :run,
    since: 25
  ]

  def kind(name, fields \\ [], work), do: struct!(%__MODULE__{name: name, work: work}, fields)

  def here?(kind), do: otp() >= kind.since

  @doc "Why this release stops such work, or nil where it must not."
  def documented(%{documented: {since, why}}), do: if(otp() >= since, do: why)
  def documented(_kind), do: nil

  defp otp, do: String.to_integer(System.otp_release())

  @doc "The work as a function of no arguments."
  def work(%{work: work}, _context) when is_function(work, 0), do: work
  def work(%{work: work}, context), do: fn -> work.(context) end
end
