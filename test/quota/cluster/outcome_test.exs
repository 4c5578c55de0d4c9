defmodule Quota.Cluster.OutcomeTest do
  # The errors of runs on nodes that answer in a way that a test cannot bring about: another version, an old release, a full table.
  use ExUnit.Case, async: true

  alias Quota.Cluster.{Outcome, Protocol, Runner}
  alias Quota.{ExceededError, PoolFullError, TimeoutError}

  @node :other@host
  @call {Jobs, :run, 2}

  defp unstarted(reason, node \\ @node), do: fn -> Outcome.unstarted!(node, reason, @call) end

  test "a run that never started says so, and why" do
    assert_raise ArgumentError,
                 ~r/other@host speaks version 77 .* this node version #{Protocol.version()}: upgrade the older .* Nothing was started/,
                 unstarted({:version, 77})

    assert_raise ArgumentError,
                 ~r/other@host has no Quota.Cluster: it runs an older version of :bounded, or none/,
                 unstarted({:undef, [{Runner, :start, [], []}]})

    assert_raise ArgumentError, ~r/runs a release of Erlang\/OTP before 25/, unstarted(:notsup)
    assert_raise SystemLimitError, unstarted(:system_limit)
  end

  test "a node that is down is an exit, and anything else is one with the call" do
    assert catch_exit(unstarted(:noconnection).()) == {:nodedown, @node}
    # It cannot be asked whether it is stopping.
    assert catch_exit(unstarted(:killed).()) == {:nodedown, @node}
    assert catch_exit(unstarted(:crash).()) == {:crash, @call}
    assert catch_exit(unstarted(:noconnection, node()).()) == {:noconnection, @call}

    assert catch_exit(unstarted({:undef, [{Jobs, :run, [], []}]}).()) ==
             {{:undef, [{Jobs, :run, [], []}]}, @call}
  end

  test "what a run raised there names the node, once" do
    raised = fn node, error -> catch_error(Outcome.raise!(node, :error, error, [])) end
    usage = %Quota.Usage{}
    exceeded = %ExceededError{limit: 1, category: :heap, usage: usage}
    assert raised.(@node, exceeded) == %{exceeded | node: @node}
    third = %{exceeded | node: :third@host}
    assert raised.(@node, third) == third
    assert raised.(node(), exceeded) == exceeded
    assert %TimeoutError{node: @node} = raised.(@node, %TimeoutError{timeout: 5})
    assert raised.(@node, %RuntimeError{message: "own"}) == %RuntimeError{message: "own"}
    assert catch_throw(Outcome.raise!(@node, :throw, :value, [])) == :value
  end

  test "arguments that are refused there are refused with the node's name" do
    failed = fn node ->
      catch_error(Outcome.failed!(node, :error, %ArgumentError{message: "no"}, []))
    end

    assert failed.(@node).message == "on other@host: no"
    assert failed.(node()).message == "no"
  end

  test "a refusal names the nodes that refused as well" do
    error = %PoolFullError{
      pool: :pool,
      asked: 1024,
      charged: 2048,
      free: 0,
      size: 4096,
      reason: :full,
      holders: [],
      nodes: [:a@host, :b@host]
    }

    assert Exception.message(error) =~ "Refused as well by: a@host, b@host. Nothing was started"
    refute Exception.message(%{error | nodes: []}) =~ "Refused as well"
  end
end
